-- Policies that answer with one word, and the tests inside of any policy: as the jailed host runs them.

local host = require "lib.host"

local function load_policy(name, source)
    return host.handle { op = "load", kind = "policy", name = name, source = source }.error
end

local function read(path)
    local file = assert(io.open(path))
    local text = file:read "a"
    file:close()
    return text
end

local function approval(node, token)
    local answer = host.handle { op = "ask", id = 1, kind = "policy", name = "approval", decision = "decide",
        input = { applicant = node, token = token } }
    return answer.value, answer.error
end

local NODE = { name = "n", labels = { zone = "a" }, address = "192.0.2.1" }
local TOKEN = { pool = "default", node = "", created_by = "ada", uses_left = 1, age_seconds = 5 }

local function copy(from)
    local to = {}
    for name, value in pairs(from) do to[name] = value end
    return to
end

local function ask(source)
    assert.is_nil(load_policy("approval", source))
    return approval(copy(NODE), copy(TOKEN))
end

describe("a policy that rules", function()
    it("is shipped for admission and approval", function()
        for _, name in ipairs { "admission", "approval" } do
            assert.is_nil(load_policy(name, read(("policies/%s/%s.lua"):format(name, name))))
        end
    end)

    it("answers with a word and a reason", function()
        assert.same({ verdict = "accept" }, (ask "function approve() return 'accept' end"))
        assert.same({ verdict = "reject", reason = "zone a" },
            (ask "function approve(node) return 'reject', 'zone ' .. (node.labels.zone or 'none') end"))
        assert.same({ verdict = "ask" }, (ask "function approve() return 'ask' end"))
        local long = ask "function approve() return 'ask', ('ä'):rep(200) end"
        assert.equal(("ä"):rep(80), long.reason)
    end)

    it("is refused when it does not answer so, or reads what is not there", function()
        local cases = {
            ["approval.lua: there is no function approve(node, token)"] = "x = 1",
            ['approval.lua:1: approve returned "yes"; it returns "accept", "reject" and a reason, or "ask"'] =
                "function approve() return 'yes' end",
            ["approval.lua:1: approve returned true; it returns"] = "function approve() return true end",
            ["approval.lua:1: approve returned a table as reason"] = "function approve() return 'ask', {} end",
            ["approval.lua:2: node has no field 'nam'; did you mean 'name'?"] =
                "function approve(node)\n return node.nam end",
            ["approval.lua:1: node is read only"] = "function approve(node) node.x = 1 end",
        }
        for sentence, source in pairs(cases) do
            local problem = load_policy("approval", source)
            assert.equal(sentence, problem and problem.sentence:sub(1, #sentence))
        end
        assert.matches("no policy called 'astrology'", load_policy("astrology", "").sentence)
    end)

    it("is told of everything that is described, and of nothing else", function()
        assert.is_nil(load_policy("approval", "function approve() return 'accept' end"))
        local less, more = copy(TOKEN), copy(TOKEN)
        less.pool, more.colour = nil, "red"
        assert.matches("the console does not say token.pool", select(2, approval(copy(NODE), less)).sentence)
        assert.matches("token.colour is not described", select(2, approval(copy(NODE), more)).sentence)
    end)
end)

describe("the tests inside of a policy", function()
    it("run at every load, and refuse the file with their line", function()
        local good = "function approve(node) return node.name == 'x' and 'reject' or 'accept' end\n"
        assert.is_nil(load_policy("approval", good
            .. "function test_x() assert(approve(node{ name = 'x' }) == 'reject') end"))
        local problem = load_policy("approval", good
            .. "\nfunction test_x()\n  assert(approve(node{}) == 'ask', 'it is')\nend")
        assert.equal("approval.lua:4: test_x fails: it is", problem.sentence)
        assert.equal(4, problem.line)
        problem = load_policy("approval", good .. "function test_a() error 'x' end function test_b() error 'y' end "
            .. "function test_c() end function test_d() error 'z' end")
        assert.matches("test_a fails: x$", problem.sentence)
        assert.equal("These fail, too: test_b, test_d.", problem.hint)
        assert.matches("token has no field 'pol'; did you mean 'pool'",
            load_policy("approval", good .. "function test_x() token{ pol = 1 } end").sentence)
    end)

    it("belong to placement as well", function()
        local filter = "function filter(node, workload) return node.pool == workload.labels.pool end\n"
        assert.is_nil(load_policy("placement", filter
            .. "function test_pool() assert(filter(node{ pool = 'a' }, workload{ labels = { pool = 'a' } })) end"))
        assert.matches("placement.lua:2: test_pool fails",
            load_policy("placement", filter .. "function test_pool() assert(filter(node{}, workload{})) end").sentence)
    end)

    it("leave nothing behind: an example that a test wrote to is whole again", function()
        local write = "function approve() return 'accept' end function test_a() node{}.labels.zone = 'here' end\n"
        assert.is_nil(load_policy("approval", write))
        assert.is_nil(load_policy("approval", write .. "function test_b() assert(node{}.labels.zone == nil) end"))
    end)
end)
