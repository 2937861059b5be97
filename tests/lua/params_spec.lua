local harness = require "tests.lua.harness"

local RETURNS_PARAMS = [[
function render(spec)
    return { container = { image = "x", env = spec.params } }
end
]]

local function plugin_with(params)
    local problem = harness.load_plugin("p", RETURNS_PARAMS, {
        api = 1, name = "p", title = "P", version = "1", description = "for tests", grants = {}, params = params,
    })
    assert.is_nil(problem, problem and problem.sentence)
end

-- Returns what the plugin gets for `x`, or nil and the problem.
local function given(param, value)
    param.help = "help"
    plugin_with { x = param }
    local rendered, problem = harness.render("p", { x = value })
    return rendered and rendered.container.env.x, problem
end

describe("a parameter", function()
    it("is taken as its type, or as text that reads like it", function()
        local cases = {
            { "text", "a", "a" }, { "text", 15, "15" }, { "text", 1.5, "1.5" },
            { "secret", "s", "s" },
            { "integer", 5, 5 }, { "integer", "5", 5 }, { "integer", "-5", -5 }, { "integer", 5.0, 5 },
            { "number", 1.5, 1.5 }, { "number", "1.5", 1.5 }, { "number", 2, 2 },
            { "boolean", true, true }, { "boolean", "false", false },
            { "size", "128m", 128 << 20 }, { "size", "1.5g", 3 << 29 }, { "size", "2Ki", 2048 }, { "size", 512, 512 },
            { "size", "512MB", 512 << 20 },
            { "list", { "a", "b" }, { "a", "b" } }, { "list", "a", { "a" } },
            { "map", { A = "b" }, { A = "b" } }, { "map", { "A=b", "C=d=e" }, { A = "b", C = "d=e" } },
            { "map", "A=", { A = "" } },
        }
        for _, case in ipairs(cases) do
            assert.same(case[3], given({ type = case[1] }, case[2]))
        end
    end)

    it("is refused, naming the field, where it does not fit", function()
        local cases = {
            { "text", true }, { "text", { "a" } }, { "integer", "5x" }, { "integer", 1.5 }, { "integer", "0x10" },
            { "integer", "" }, { "number", "inf" }, { "number", "nan" }, { "boolean", "yes" }, { "boolean", 1 },
            { "size", "128q" }, { "size", "-1m" }, { "size", true }, { "list", { A = "b" } }, { "list", 1 },
            { "map", { "novalue" } }, { "map", { "=x" } }, { "map", 1 },
        }
        for _, case in ipairs(cases) do
            local value, problem = given({ type = case[1] }, case[2])
            assert.is_nil(value)
            assert.equal("invalid_field", problem.code)
            assert.equal("params.x", problem.field)
        end
    end)

    it("keeps its bounds, at the limit and one past it", function()
        local cases = {
            { { type = "integer", min = 1, max = 5 }, { 1, 5 }, { 0, 6 } },
            { { type = "text", min = 2, max = 3 }, { "ab", "abc" }, { "a", "abcd" } },
            { { type = "list", max = 1 }, { { "a" }, {} }, { { "a", "b" } } },
            { { type = "map", min = 1, max = 1 }, { "A=b" }, { {}, { "A=b", "C=d" } } },
            { { type = "size", min = 1024 }, { "1k" }, { "1023" } },
            { { type = "text", pattern = "%l+" }, { "abc" }, { "", "ab1", "Ab" } },
            { { type = "text", one_of = { "red", "green" } }, { "red" }, { "blue" } },
        }
        for _, case in ipairs(cases) do
            for _, good in ipairs(case[2]) do assert.is_not_nil((given(case[1], good))) end
            for _, bad in ipairs(case[3]) do assert.is_nil((given(case[1], bad))) end
        end
    end)

    it("has its default, or is missed where it is required", function()
        plugin_with { x = { type = "size", default = "1k", help = "h" }, y = { type = "text", help = "h" } }
        assert.same({ x = 1024 }, harness.render("p").container.env)
        plugin_with { x = { type = "text", required = true, help = "the x" } }
        local _, problem = harness.render("p", {})
        assert.equal("p needs the parameter 'x': the x.", problem.sentence)
    end)

    it("that is not declared names the nearest", function()
        plugin_with { database = { type = "text", help = "h" } }
        local _, problem = harness.render("p", { databse = "x" })
        assert.equal("p has no parameter 'databse'; did you mean 'database'?", problem.sentence)
        assert.equal("params.databse", problem.field)
        assert.equal("p takes database.", problem.hint)
    end)

    it("that is not declared cannot be read either", function()
        local problem = harness.load_plugin("p", "function render(spec) return spec.params.y end", {
            api = 1, name = "p", title = "P", version = "1", description = "d", grants = {},
            params = { x = { type = "text", help = "h" } },
        })
        assert.matches("plugin.lua:1: spec.params has no field 'y'", problem.sentence)
    end)
end)

describe("the library lattice", function()
    local function run(body)
        local problem = harness.load_plugin("p", ("function render(spec, context) %s end"):format(body), {
            api = 1, name = "p", title = "P", version = "1", description = "d", grants = {},
            params = { x = { type = "text", required = true, help = "h" } },
        })
        assert.is_nil(problem, problem and problem.sentence)
        return harness.render("p", { x = "1" })
    end

    local function value(expression)
        local rendered, problem = run(("return { container = { env = { v = %s } } }"):format(expression))
        return rendered and rendered.container.env.v, problem
    end

    it("makes passwords of the request's chance alone", function()
        local password = value "lattice.password(24)"
        assert.matches("^%w+$", password)
        assert.equal(24, #password)
        assert.equal(password, value "lattice.password(24)")
        assert.is_true(value "lattice.password(16) ~= lattice.password(16)")
    end)

    it("escapes what a URL cannot hold", function()
        assert.equal("a%20b%2F%40%C3%A9-._~", value "lattice.url_escape('a b/@\u{e9}-._~')")
    end)

    it("refuses with field, sentence and hint", function()
        local _, problem = run "lattice.error { field = 'params.x', message = 'No.', hint = 'Yes?' }"
        assert.same({ "invalid_field", "params.x", "No.", "Yes?" },
            { problem.code, problem.field, problem.sentence, problem.hint })
    end)

    it("checks its arguments in the author's line", function()
        local cases = {
            ["lattice.password()"] = "p/plugin.lua:1: lattice.password: length must be a integer, not nil",
            ["lattice.password(7)"] = "p/plugin.lua:1: lattice.password: length must be from 8 to 64",
            ["lattice.password(8, 9)"] = "p/plugin.lua:1: lattice.password takes 1 argument, not 2",
            ["lattice.url_escape(1)"] = "p/plugin.lua:1: lattice.url_escape: text must be a string, not integer",
            ["lattice.error {}"] = "p/plugin.lua:1: lattice.error: problem.message is missing",
            ["lattice.error { message = 1 }"] =
                "p/plugin.lua:1: lattice.error: problem.message must be a string, not number",
            ["lattice.pasword(8)"] = "p/plugin.lua:1: lattice has no field 'pasword'; did you mean 'password'?",
        }
        for call, sentence in pairs(cases) do
            local _, problem = run(call)
            assert.equal(sentence, problem.sentence)
        end
    end)
end)
