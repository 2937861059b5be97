local args = require "cli.args"

local COMMANDS = {
    { name = "help", operands = { { name = "COMMAND", many = true, optional = true } } },
    {
        name = "logs",
        operands = { { name = "NAME" } },
        flags = {
            { name = "follow", short = "f" },
            { name = "tail", short = "n", value = "LINES" },
            { name = "instance", value = "NUMBER", kind = "integer", min = 1, max = 9 },
        },
    },
    {
        name = "run",
        operands = { { name = "TYPE" }, { name = "NAME" } },
        flags = {
            { name = "env", short = "e", value = "NAME=VALUE", kind = "list" },
            { name = "plain", value = "ENDPOINT", kind = "optional" },
        },
        rest = true,
    },
    { name = "node ls" },
    { name = "version" },
    { name = "node show", operands = { { name = "NAME" } } },
    { name = "rm", operands = { { name = "NAME", many = true } } },
}

local function parse(...)
    local command, options, rest = args.split({ ... }, COMMANDS)
    local parsed, operands, behind = args.parse(command, rest, options)
    return parsed, operands, behind, command
end

local function refusal(...)
    local ok, raised = pcall(parse, ...)
    assert.is_false(ok)
    assert.are.equal("invalid", raised.code)
    return raised.detail .. " " .. (raised.hint or "")
end

describe("a command line", function()
    it("takes flags before and behind operands, long and short, with and without '='", function()
        local options, operands = parse("logs", "--tail=3", "web", "-f", "--instance", "2")
        assert.are.same({ tail = "3", follow = true, instance = 2 }, options)
        assert.are.same({ NAME = "web" }, operands)
        assert.are.equal("5", parse("logs", "-n", "5", "web").tail)
    end)

    it("takes global flags in front of the command and behind it", function()
        local options = parse("--json", "--addr", "https://a", "logs", "web", "--token", "t")
        assert.are.same({ json = true, addr = "https://a", token = "t" }, options)
    end)

    it("keeps what stands behind --", function()
        local _, operands, rest = parse("run", "custom", "job", "--", "sh", "-c", "--env")
        assert.are.same({ TYPE = "custom", NAME = "job" }, operands)
        assert.are.same({ "sh", "-c", "--env" }, rest)
        assert.matches("'%-%-' is not expected here", refusal("logs", "web", "--", "x"))
    end)

    it("adds up flags that are lists", function()
        assert.are.same({ "A=1", "B=2" }, parse("run", "a", "b", "-e", "A=1", "--env=B=2").env)
    end)

    it("gives an optional value to its flag only where it can be nothing else", function()
        local options, operands = parse("run", "--plain", "custom", "web")
        assert.are.same({}, options.plain)
        assert.are.same({ TYPE = "custom", NAME = "web" }, operands)
        assert.are.same({ "pg" }, parse("run", "custom", "web", "--plain", "pg").plain)
        assert.are.same({ "pg" }, parse("run", "--plain=pg", "custom", "web").plain)
        assert.are.same({}, parse("run", "custom", "web", "--plain", "-e", "A=1").plain)
    end)

    it("takes many operands where a command does", function()
        local _, operands = parse("rm", "a", "b", "c")
        assert.are.same({ "a", "b", "c" }, operands.NAME)
    end)

    it("finds commands of two words", function()
        local _, operands, _, command = parse("node", "show", "n1")
        assert.are.equal("node show", command.name)
        assert.are.same({ NAME = "n1" }, operands)
    end)

    it("is help without a command", function()
        local _, _, _, command = parse()
        assert.are.equal("help", command.name)
        _, _, _, command = parse("--help")
        assert.are.equal("help", command.name)
    end)

    it("knows --version", function()
        local options, _, _, command = parse("--version", "--json")
        assert.are.equal("version", command.name)
        assert.is_true(options.json)
    end)

    it("has help for a first word alone", function()
        for _, flag in ipairs { "--help", "-h" } do
            local _, operands, _, command = parse("node", flag)
            assert.are.equal("help", command.name)
            assert.are.same({ "node" }, operands.COMMAND)
        end
    end)

    it("misses nothing with --help", function()
        assert.is_true(parse("logs", "--help").help)
        assert.is_true(parse("run", "-h").help)
    end)
end)

describe("a mistake in a command line", function()
    it("names the nearest command", function()
        assert.matches("no command 'lgos'.*Did you mean 'logs'", refusal("lgos", "web"))
        assert.matches("no command 'node sl'.*Did you mean 'node ls'", refusal("node", "sl"))
    end)

    it("lists what may follow a first word", function()
        assert.matches("needs one more word.*lattice node ls, lattice node show", refusal("node"))
    end)

    it("names the nearest flag, and where help is", function()
        assert.matches("no flag '%-%-folow'.*Did you mean '%-%-follow'.*lattice help logs",
            refusal("logs", "w", "--folow"))
        assert.matches("no flag '%-x'", refusal("logs", "w", "-x"))
    end)

    it("says what is missing or too much", function()
        assert.matches("NAME is missing: lattice logs NAME %[FLAG%]", refusal("logs"))
        assert.matches("'two' is not expected here", refusal("logs", "one", "two"))
        assert.matches("%-%-tail needs a value: %-%-tail LINES", refusal("logs", "web", "--tail"))
        assert.matches("%-%-follow takes no value", refusal("logs", "web", "--follow=yes"))
        assert.matches("NAME is missing", refusal("rm"))
    end)

    it("holds numbers to their bounds", function()
        for _, wrong in ipairs { "0", "10", "-1", "1.5", "x", "" } do
            assert.matches("takes a whole number from 1 to 9", refusal("logs", "web", "--instance=" .. wrong))
        end
        assert.are.equal(9, parse("logs", "web", "--instance", "9").instance)
    end)
end)
