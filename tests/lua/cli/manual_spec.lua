local commands = require "cli.commands"
local completion = require "cli.completion"
local fakes = require "tests.lua.cli.fakes"
local manual = require "cli.manual"

describe("docs/cli.md", function()
    it("is what the table of commands says: lattice help --markdown > docs/cli.md", function()
        local file = assert(io.open("docs/cli.md"))
        local text = file:read "a"
        file:close()
        assert.are.equal(manual.markdown(commands.all()) .. "\n", text)
    end)
end)

describe("the table of commands", function()
    it("is whole", function()
        for _, command in ipairs(commands.all()) do
            assert.is_string(command.section, command.name)
            assert.matches("^%u.*[^.]$", command.summary)
            assert.is_true(command.elsewhere or type(command.run) == "function", command.name)
            for _, flag in ipairs(command.flags or {}) do assert.is_string(flag.help, command.name .. flag.name) end
        end
    end)

    it("has help for each", function()
        for _, command in ipairs(commands.all()) do
            local ran = fakes.run("help " .. command.name, { script = { { 200, { items = {} } } } })
            assert.is_true(ran.ok, command.name)
            assert.matches("lattice " .. command.name:gsub("%p", "%%%0"), ran.stdout)
        end
    end)

    it("is listed by help", function()
        local ran = fakes.run("help", {})
        for _, command in ipairs(commands.all()) do
            assert.matches("\n  " .. command.name:gsub("%p", "%%%0") .. " ", ran.stdout)
        end
    end)
end)

describe("help", function()
    local TYPES = { { 200, { items = { { name = "redis", description = "One server.", params = {
        password = { type = "secret", help = "password" },
        list = { type = "list", default = { "a", "b" }, help = "some" },
    } } } } } }

    it("shows the parameters of a type", function()
        local ran = fakes.run("help deploy redis", { script = TYPES })
        assert.matches("redis   One server.*list *list *a b *some", ran.stdout)
        assert.matches("password *secret", ran.stdout)
    end)

    it("names the nearest type", function()
        assert.matches("Did you mean 'redis'", fakes.run("help deploy rediss", { script = TYPES }).raised.hint)
    end)

    it("helps with deploy also where no console is known", function()
        local ran = fakes.run("help deploy", { environment = {} })
        assert.is_true(ran.ok)
        assert.matches("%-%-image IMAGE", ran.stdout)
        assert.matches("No console is known", ran.stderr)
    end)
end)

describe("completion", function()
    -- What bash offers for the last of the words.
    local function complete(words)
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(completion.script("bash", commands.all()))
        file:write(("\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_lattice\nprintf '%%s ' \"${COMPREPLY[@]}\"\n"):format(
            words, select(2, words:gsub(" ", " "))))
        file:close()
        local shell = assert(io.popen("bash " .. path))
        local offered = shell:read "a"
        shell:close()
        os.remove(path)
        return offered
    end

    it("offers commands, their second words, and flags", function()
        assert.are.equal("deploy ", complete "lattice dep")
        assert.are.equal("join-token ", complete "lattice node jo")
        assert.are.equal("--follow ", complete "lattice logs --fo")
        assert.are.equal("--uses ", complete "lattice node join-token --us")
    end)

    it("is there for zsh, and for no shell that is not known", function()
        assert.matches("bashcompinit", completion.script("zsh", commands.all()))
        assert.matches("no completion for 'fish'", fakes.run("completion fish", {}).raised.detail)
    end)
end)
