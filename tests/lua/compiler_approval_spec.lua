-- Approval policies as programs: what they say is what their function says.

local compiling = require "tests.lua.compiling"

local RETURNS = '; it returns "accept", "reject" and a reason, or "ask"'

local function messages(program)
    local list = {}
    for index, trap in ipairs(program.traps or {}) do list[index] = trap.message end
    return list
end

describe("an approval policy", function()
    it("is a program of rules that refuse or leave it to a person, without a score", function()
        local program = compiling.approve [[
            if token.uses_left > 100 then return "reject", "a token for that many" end
            if node.labels.site ~= "here" then return "ask", "from elsewhere" end
            return "accept"]]
        assert.equal(2, #program.rules)
        assert.same({ "a token for that many" }, program.rules[1].reason)
        assert.is_nil(program.rules[1].asks)
        assert.same({ "from elsewhere" }, program.rules[2].reason)
        assert.is_true(program.rules[2].asks)
        assert.is_nil(program.score)
        assert.is_nil(program.traps)
    end)

    it("says what it would without being compiled", function()
        for _, body in ipairs {
            "return 'accept'",
            "return 'ask'",
            "return 'reject'",
            "return 'accept', 'because'",
            "return node.name:find '^lab%-%d+$' and 'accept' or 'reject', node.name .. ' is no name'",
            "local word = 'accept' if token.pool == 'edge' then word = 'ask' end "
                .. "if node.labels.old then word = 'reject' end return word, token.pool",
            "local words = { edge = 'ask', lab = 'accept', old = 'reject' } "
                .. "return words[token.pool] or 'ask', ('%s of %d'):format(token.created_by, token.uses_left)",
            "return ({ 'accept', 'ask' })[token.uses_left] or 'reject'",
            "if token.node ~= '' and token.node ~= node.name then return 'reject' end "
                .. "return token.age_seconds < 3600 and 'accept' or 'ask', 'an hour is over'",
            "for _, key in ipairs { 'site', 'rack' } do "
                .. "if not node.labels[key] then return 'reject', 'no ' .. key end end return 'accept'",
            "return node.labels[node.name] == token.pool and 'accept' or 'reject'",
            "local a, b = node.address:match '^(%d+)%.(%d+)%.' if not a then return 'ask', 'no address of IPv4' end "
                .. "return a == '10' and 'accept' or 'reject', a .. '/' .. b",
            "for key, label in pairs(node.labels) do if label == token.pool then return 'reject', key end end "
                .. "return 'accept'",
            "if token.created_by == 'eve' then error('not hers', 0) end return 'accept'",
            "assert(node.name ~= '', 'no name') return token.pool == 'edge' and 'ask' or 'accept'",
            "return tonumber(node.labels.rank) > 5 and 'accept' or 'reject'",
        } do
            compiling.approve(body)
        end
    end)

    it("raises what Lua and the console would for an answer that is none", function()
        local cases = {
            [""] = "approve returned nil" .. RETURNS,
            ["return nil, 'no'"] = "approve returned nil" .. RETURNS,
            ["return 'yes'"] = 'approve returned "yes"' .. RETURNS,
            ["return 'Accept'"] = 'approve returned "Accept"' .. RETURNS,
            ["return 'a\\nb'"] = 'approve returned "a b"' .. RETURNS,
            ["return ('x'):rep(50)"] = ('approve returned "%s"'):format(("x"):rep(40)) .. RETURNS,
            ["return 'a' .. ('\\u{e4}'):rep(30)"] =
                ('approve returned "a%s?"'):format(("\u{e4}"):rep(19)) .. RETURNS,
            ["return '\\xff\\0'"] = 'approve returned "? "' .. RETURNS,
            ["return token.uses_left"] = "approve returned a number" .. RETURNS,
            ["return node.labels"] = "approve returned a table" .. RETURNS,
            ["return node"] = "approve returned a table" .. RETURNS,
            ["return 'ask', node.labels"] = "approve returned a table as reason; a reason is text",
            ["return 'accept', 7"] = "approve returned a number as reason; a reason is text",
            ["return 'reject', true"] = "approve returned true as reason; a reason is text",
        }
        for body, message in pairs(cases) do
            assert.same({ message }, messages(compiling.approve(body, 20)))
        end
        local program = compiling.approve "return token.uses_left > 1"
        assert.same({ "approve returned true" .. RETURNS, "approve returned false" .. RETURNS }, messages(program))
        program = compiling.approve "return token.uses_left > 1 and 'perhaps' or token.pool == 'edge' and 'ask' or 'no'"
        table.sort(program.traps, function(a, b) return a.message < b.message end)
        assert.same({ 'approve returned "no"' .. RETURNS, 'approve returned "perhaps"' .. RETURNS }, messages(program))
        compiling.approve "local words = { a = 'accept', b = 'ask', c = 'wait', d = 7 } return words[token.pool]"
    end)

    it("is asked of Lua where its verdict is no word that is written down", function()
        for _, body in ipairs { "return token.pool", "return node.labels.verdict or 'ask'", "return 'a' .. token.pool",
            "return node.name:sub(1, 3)" } do
            local entry = compiling.refused("function approve(node, token)\n " .. body .. " end", "approval")
            assert.equal("approve returns a text as its verdict that is not written down", entry.why)
            assert.equal('return "accept", "reject" and a reason, or "ask"', entry.instead)
            assert.equal(1, entry.line)
        end
        local entry = compiling.refused("function approve(node)\n for key in pairs(node) do\n"
            .. " if key == 'x' then return 'ask' end end return 'accept' end", "approval")
        assert.equal("the fields of node are gone through", entry.why)
        assert.equal(2, entry.line)
    end)

    it("is refused where it names what is not there, as its author calls it", function()
        local problem = compiling.problem("function approve(node, token)\n"
            .. " if token.pool == 'edge' then return node.adress end return 'ask' end", "approval")
        assert.equal(2, problem.line)
        assert.matches("node has no field 'adress'; did you mean 'address'?", problem.problem, 1, true)
        problem = compiling.problem("function approve(node, token)\n return token.cpu end", "approval")
        assert.matches("token has no field 'cpu'", problem.problem)
        problem = compiling.problem("function approve(node, token)\n return node.cpu end", "approval")
        assert.matches("node has no field 'cpu'", problem.problem)
    end)
end)
