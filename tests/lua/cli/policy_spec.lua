-- Commands about policies: what they send, and what they print.

local diff = require "cli.diff"
local fakes = require "tests.lua.cli.fakes"

local AT = "2026-11-21T01:02:03.004Z"
local JSON = fakes.json
local POLICY = {
    name = "placement", revision = 4, previous = 2, newest = 6, in_force = true,
    author = "ada/laptop", origin = "api", accepted_at = AT,
    changed_at = AT, refused = "placement.lua:3: no", source = "function score()\n\treturn 1\nend\n",
    functions = {
        { name = "filter", compiled = true, ops = 7 },
        { name = "score", compiled = false, line = 3, why = "a pattern match", instead = "==" },
    },
    use = { asks = 7, errors = 1, kills = 0, p99_ms = 0.5 },
}

local function lines(...) return table.concat({ ... }, "\n") .. "\n" end

-- Runs a line against answers by target.
local function run(line, answers, options)
    options = options or {}
    options.script = { function(call)
        local answer = answers[call.method .. " " .. call.target]
        return answer or { 404, { code = "not_found", detail = "There is no such thing." } }
    end }
    return fakes.run(line, options)
end

local function got(line, answers, options)
    local ran = run(line, answers, options)
    assert.is_true(ran.ok, ran.raised and ran.raised.detail)
    return ran.stdout, ran.stderr, ran
end

local VERSIONS = { ["GET /api/v1/policies/placement/versions"] = { 200, { items = {
    { revision = 2, in_force = false, author = "console", origin = "shipped", accepted_at = AT, bytes = 1024 },
    { revision = 4, in_force = true, author = "ada/laptop", origin = "api", accepted_at = AT, bytes = 34 },
    { revision = 6, in_force = false, author = "file", origin = "/x/placement.lua", accepted_at = AT, bytes = 36 },
} } } }

describe("policy", function()
    it("ls, show and versions say what is in force and whose it is", function()
        assert.are.equal(lines(
            "NAME        REVISION   AUTHOR       ORIGIN   SINCE                 NEWEST REFUSED",
            "placement   4          ada/laptop   api      2026-11-21 01:02:03   placement.lua:3: no"),
            (got("policy ls", { ["GET /api/v1/policies"] = { 200, { items = { POLICY } } } })))
        local one = { ["GET /api/v1/policies/placement"] = { 200, POLICY } }
        assert.are.equal(lines(
            "placement   revision 4",
            "  author           ada/laptop",
            "  origin           api",
            "  accepted         2026-11-21 01:02:03",
            "  in force since   2026-11-21 01:02:03",
            "  newest           6",
            "  refused          placement.lua:3: no",
            "  asked            7 questions, 1 error, 0 times stopped, 99 of 100 within 0.5 ms",
            "  filter   compiled, 7 operations",
            "  score    row by row, because of line 3: a pattern match; instead: ==",
            "",
            "function score()",
            "\treturn 1",
            "end"), (got("policy show placement", one)))
        assert.are.equal(POLICY.source, (got("policy show placement --source", one)))
        assert.are.equal(lines(
            "REVISION              AUTHOR       ORIGIN             ACCEPTED              SIZE",
            "6                     file         /x/placement.lua   2026-11-21 01:02:03   36 bytes",
            "4          in force   ada/laptop   api                2026-11-21 01:02:03   34 bytes",
            "2                     console      shipped            2026-11-21 01:02:03   1 KiB"),
            (got("policy versions placement", VERSIONS)))
    end)

    it("show says that answers took longer than there are buckets for", function()
        local slow = {}
        for key, value in pairs(POLICY) do slow[key] = value end
        slow.use = { asks = 7, errors = 1, kills = 0 }
        local shown = got("policy show placement", { ["GET /api/v1/policies/placement"] = { 200, slow } })
        assert.is_truthy(shown:find("0 times stopped, more than 1 of 100 took longer than a minute\n", 1, true))
        slow.use.asks = 0
        shown = got("policy show placement", { ["GET /api/v1/policies/placement"] = { 200, slow } })
        assert.is_falsy(shown:find("minute", 1, true))
    end)

    it("show takes what draws on a terminal out of a source, and leaves its lines", function()
        local stdout = got("policy show placement", { ["GET /api/v1/policies/placement"] = { 200,
            { name = "placement", revision = 1, source = "-- a\27[2Jb\n\tc\n    d  = 1\n" } } })
        assert.is_nil(stdout:find("\27", 1, true))
        assert.matches("\n\tc\n    d  = 1\n$", stdout)
    end)

    it("apply sends the file and says what is in force", function()
        local stdout, _, ran = got("policy apply placement mine.lua --if-revision 3",
            { ["PUT /api/v1/policies/placement"] = { 200, POLICY } }, { files = { ["mine.lua"] = "text\n" } })
        assert.are.equal("placement: revision 4 is in force\n", stdout)
        assert.are.same({ source = "text\n", if_revision = 3 }, JSON.decode(ran.calls[1].body))
    end)

    it("apply hands the console's reason on", function()
        local ran = run("policy apply placement mine.lua", { ["PUT /api/v1/policies/placement"] = { 422,
            { code = "policy", detail = "placement.lua:2: no", line = 2 } } }, { files = { ["mine.lua"] = "text\n" } })
        assert.are.equal("placement.lua:2: no", ran.raised.detail)
        assert.are.equal(2, ran.raised.line)
    end)

    it("apply, diff and check say which line of a file is not UTF-8", function()
        for _, command in ipairs { "apply placement", "diff placement", "check" } do
            local ran = run("policy " .. command .. " a.lua", { ["GET /api/v1/policies/placement"] = { 200, POLICY } },
                { files = { ["a.lua"] = "-- one\n-- caf\xe9\n" } })
            assert.are.equal("a.lua:2: this is not UTF-8 text", ran.raised.detail)
            assert.are.equal(2, ran.raised.line)
        end
        local ran = run("policy check a.lua", {}, { files = { ["a.lua"] = "-- \0\n" } })
        assert.are.equal("a.lua:1: this is not text", ran.raised.detail)
    end)

    it("what cannot be written as JSON is the user's, and no mistake of the program", function()
        local ok, raised = pcall(require("cli.problem").check, nil, "labels.a is not UTF-8 text.")
        assert.is_false(ok)
        assert.are.equal("invalid", raised.code)
        assert.matches("labels%.a is not UTF%-8 text%.$", raised.detail)
    end)

    it("rollback names a revision, or leaves it to the console", function()
        local answers = { ["POST /api/v1/policies/placement/rollback"] = { 200, POLICY } }
        local _, _, ran = got("policy rollback placement 4", answers)
        assert.are.same({ revision = 4 }, JSON.decode(ran.calls[1].body))
        _, _, ran = got("policy rollback placement", answers)
        assert.are.same({}, JSON.decode(ran.calls[1].body))
        for _, bad in ipairs { "x", "0", "1.5" } do
            ran = run("policy rollback placement " .. bad, answers)
            assert.matches("number from 1", ran.raised.detail)
        end
    end)

    it("diff compares the one in force with a file, a version, or what was there before", function()
        local answers = {
            ["GET /api/v1/policies/placement"] = { 200, POLICY },
            ["GET /api/v1/policies/placement?revision=2"] = { 200,
                { revision = 2, source = "function score()\nend\n" } },
        }
        local before = lines("--- revision 2", "+++ revision 4, in force", "@@ -1,2 +1,3 @@", " function score()",
            "+\treturn 1", " end")
        assert.are.equal(before, (got("policy diff placement", answers)))
        assert.are.equal(before, (got("policy diff placement --revision 2", answers)))
        assert.are.equal(lines("--- revision 4, in force", "+++ f.lua", "@@ -1,3 +1,3 @@", " function score()",
            "-\treturn 1", "+\treturn 2", " end"),
            (got("policy diff placement f.lua", answers,
                { files = { ["f.lua"] = "function score()\n\treturn 2\nend\n" } })))
        assert.matches("\n%-\treturn 1\n%+    return  1\n", (got("policy diff placement f.lua", answers,
            { files = { ["f.lua"] = "function score()\n    return  1\nend\n" } })))
        local stdout, stderr = got("policy diff placement f.lua", answers, { files = { ["f.lua"] = POLICY.source } })
        assert.are.equal("", stdout)
        assert.matches("say the same", stderr)
        assert.is_false(run("policy diff placement f.lua --revision 2", answers, { files = { ["f.lua"] = "" } }).ok)
    end)
end)

describe("a difference", function()
    -- Puts a script upon the old text.
    local function patched(old, hunks)
        local result, at = {}, 1
        for _, line in ipairs(hunks) do
            local first, count = line:match "^@@ %-(%d+),?(%d*)"
            if first then
                local start = math.tointeger(first) + (count == "0" and 1 or 0)
                while at < start do
                    result[#result + 1], at = old[at], at + 1
                end
            else
                local mark, text = line:sub(1, 1), line:sub(2)
                if mark ~= "+" then
                    assert.are.equal(old[at], text)
                    at = at + 1
                end
                if mark ~= "-" then result[#result + 1] = text end
            end
        end
        for rest = at, #old do result[#result + 1] = old[rest] end
        return result
    end

    it("leads from one text to the other, whatever they are", function()
        math.randomseed(4)
        local function text(count)
            local all = {}
            for index = 1, count do all[index] = ("line %d"):format(math.random(6)) end
            return all
        end
        for _ = 1, 300 do
            local old, new = text(math.random(0, 30)), text(math.random(0, 30))
            local function whole(list) return #list > 0 and table.concat(list, "\n") .. "\n" or "" end
            assert.are.same(new, patched(old, diff.unified(whole(old), whole(new))))
        end
    end)

    it("of two texts that have nothing in common is both of them, at once", function()
        local old, new = {}, {}
        for index = 1, 3000 do old[index], new[index] = "a" .. index, "b" .. index end
        local out = diff.unified(table.concat(old, "\n"), table.concat(new, "\n"))
        assert.are.equal(6001, #out)
    end)
end)

describe("policy check", function()
    local function checked(line, answer, err)
        local asked = {}
        local ran = fakes.run(line, {
            files = { ["placement.lua"] = "-- nothing", ["a/mine.lua"] = "\n  function admit(request) end" },
            policy = { check = function(name, source)
                asked.name, asked.source = name, source
                return answer, err
            end },
        })
        return ran, asked
    end

    it("says what of a placement policy is compiled", function()
        local ran, asked = checked("policy check placement.lua", { tests = 2, program = {}, functions = {
            { name = "filter", compiled = true, ops = 12 }, { name = "score", compiled = true, ops = 1 },
        } })
        assert.is_true(ran.ok)
        assert.equal(lines("placement.lua: a policy for placement; 2 tests passed",
            "  filter   compiled with 12 operations", "  score    compiled with 1 operation"), ran.stdout)
        assert.same({ name = "placement", source = "-- nothing" }, asked)
    end)

    it("says which line makes it run row by row, and ends with 10", function()
        local answer = { tests = 0, functions = {
            { name = "score", compiled = false, line = 7, why = "no\27[2J", instead = "yes" },
        } }
        local ran = checked("policy check placement.lua", answer)
        assert.equal(10, ran.raised.status)
        assert.equal(lines("placement.lua: a policy for placement; 0 tests passed",
            "  score    runs row by row: placement.lua:7: no?[2J", "           instead: yes",
            "  filter   is not defined: any node may"), ran.stdout)
        ran = checked("policy check placement.lua --json", answer)
        assert.equal(10, ran.raised.status)
        local told = JSON.decode(ran.stdout)
        assert.is_false(told.compiled)
        assert.equal(7, told.functions[1].line)
    end)

    it("says which line keeps an admission or an approval from being compiled", function()
        for name, policy in pairs { admit = "admission", approve = "approval" } do
            local ran = checked("policy check a/mine.lua --as " .. policy, { tests = 0, functions = {
                { name = name, compiled = false, line = 7, why = "no", instead = "yes" },
            } })
            assert.equal(10, ran.raised.status)
            assert.equal(lines(("a/mine.lua: a policy for %s; 0 tests passed"):format(policy),
                ("  %-8s is not compiled: a/mine.lua:7: no"):format(name), "           instead: yes"), ran.stdout)
        end
    end)

    it("says what went wrong where the compiler failed", function()
        local ran = checked("policy check placement.lua", { tests = 0, defect = "no\27[2J" })
        assert.equal(10, ran.raised.status)
        assert.equal(lines("placement.lua: a policy for placement; 0 tests passed",
            "  nothing of it is compiled: no?[2J"), ran.stdout)
    end)

    it("knows a policy by what it defines, or as it is told", function()
        local ran, asked = checked("policy check a/mine.lua", { tests = 1, program = {},
            functions = { { name = "admit", compiled = true, ops = 8 } } })
        assert.is_true(ran.ok)
        assert.equal("admission", asked.name)
        assert.equal(lines("a/mine.lua: a policy for admission; 1 test passed",
            "  admit    compiled with 8 operations"), ran.stdout)
        ran, asked = checked("policy check a/mine.lua --as approval", { tests = 1, program = {},
            functions = { { name = "approve", compiled = true, ops = 1 } } })
        assert.is_true(ran.ok)
        assert.equal("approval", asked.name)
        assert.equal(lines("a/mine.lua: a policy for approval; 1 test passed",
            "  approve  compiled with 1 operation"), ran.stdout)
        assert.is_false(checked("policy check a/mine.lua --as ranking", {}).ok)
    end)

    it("names the tests that passed, when asked to test", function()
        local answer = { tests = 2, test_names = { "test_a", "test_b" } }
        assert.equal(lines("ok   test_a", "ok   test_b", "2 tests passed"),
            checked("policy test placement.lua", answer).stdout)
        assert.same({ policy = "placement", tests = { "test_a", "test_b" } },
            JSON.decode(checked("policy test placement.lua --json", answer).stdout))
        local none = checked("policy test placement.lua", { tests = 0 })
        assert.equal("0 tests passed\n", none.stdout)
        assert.matches("begin with test_", none.stderr)
        assert.is_false(checked("policy test placement.lua", nil, { code = "policy", detail = "no" }).ok)
    end)

    it("passes on why a file is refused", function()
        local ran = checked("policy check placement.lua", nil, { code = "policy", detail = "placement.lua:1: no" })
        assert.equal("placement.lua:1: no", ran.raised.detail)
        ran = checked("policy check a/mine.lua --as placement", nil,
            { code = "policy", detail = "placement.lua:1: no" })
        assert.equal("a/mine.lua:1: no", ran.raised.detail)
    end)
end)
