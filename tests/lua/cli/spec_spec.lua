local spec = require "cli.spec"

local function build(options, rest, environment)
    return spec.build("custom", "web", options, rest, function(name) return (environment or {})[name] end)
end

local function refusal(...)
    local ok, raised = pcall(build, ...)
    assert.is_false(ok)
    return raised.detail
end

describe("the spec of a deploy", function()
    it("has nothing in it that was not said", function()
        assert.are.same({ type = "custom", name = "web" }, build {})
    end)

    it("makes parameters of flags", function()
        assert.are.same({
            image = "nginx:1", ports = { "80/http", "81" }, volumes = { "data:/x" }, health = "http:/", user = "www",
            workdir = "/srv", entrypoint = { "/bin/x" },
        }, build {
            image = "nginx:1", port = { "80/http", "81" }, volume = { "data:/x" }, health = "http:/", user = "www",
            workdir = "/srv", entrypoint = { "/bin/x" },
        }.params)
    end)

    it("sends a parameter as text, and as an array when it is given again", function()
        assert.are.same({ a = "1", b = { "2", "3", "4" }, c = "x=y" },
            build { param = { "a=1", "b=2", "b=3", "b=4", "c=x=y" } }.params)
    end)

    it("takes a variable's value from the environment when only its name is given", function()
        assert.are.same({ A = "b=c", HOME = "/h", EMPTY = "" },
            build({ env = { "A=b=c", "HOME", "EMPTY=" } }, nil, { HOME = "/h" }).params.env)
        assert.matches("no variable 'GONE'", refusal { env = { "GONE" } })
    end)

    it("takes the command from behind --, or from --command, not from both", function()
        assert.are.same({ "sh", "-c", "x" }, build({}, { "sh", "-c", "x" }).params.command)
        assert.are.same({ "a" }, build { command = { "a" } }.params.command)
        assert.matches("the same thing", refusal({ command = { "a" } }, { "b" }))
        assert.is_nil(build({}, {}).params)
    end)

    it("refuses to guess between a flag and its parameter", function()
        assert.matches("%-%-image and %-%-param image", refusal { image = "a", param = { "image=b" } })
    end)

    it("is plain in all endpoints, or in those that are named", function()
        assert.is_true(build { plain = {} }.plain)
        assert.are.same({ "pg" }, build { plain = { "pg" } }.plain)
    end)

    it("hands count, processors, memory and labels on", function()
        local made = build { count = 2, cpu = "0.5", memory = "128m", label = { "tier=front" } }
        assert.are.same({ type = "custom", name = "web", count = 2, cpu = "0.5", memory = "128m",
            labels = { tier = "front" } }, made)
    end)

    it("says how a pair is written", function()
        assert.matches("%-%-param takes NAME=VALUE, not 'x'", refusal { param = { "x" } })
        assert.matches("%-%-label takes NAME=VALUE", refusal { label = { "=x" } })
    end)
end)
