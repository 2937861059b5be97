local fakes = require "tests.lua.cli.fakes"
local output = require "cli.output"
local units = require "cli.units"

local function stream()
    return {
        text = "",
        write = function(self, ...)
            self.text = self.text .. table.concat({ ... })
            return self
        end,
        flush = function(self) return self end,
    }
end

local function make(terminals, environment, json)
    local stdout, stderr = stream(), stream()
    local out = output.new({ stdout = stdout, stderr = stderr }, fakes.terminal(terminals),
        { json = json, getenv = function(name) return (environment or {})[name] end })
    return out, stdout, stderr
end

describe("a table", function()
    it("lines its columns up and leaves out those without text", function()
        local out, stdout = make()
        out:table({ "NAME", "EMPTY", "AGE" }, { { "a", "", "1m" }, { "longer", "", "2h" } })
        assert.are.equal("NAME     AGE\na        1m\nlonger   2h\n", stdout.text)
    end)

    it("counts characters, not bytes, and not colours", function()
        local out, stdout = make { stdout = true }
        out:table({ "N", "B" }, { { "é", "x" }, { out:paint("red", "ab"), "y" } })
        local plain = stdout.text:gsub("\27%[%d*m", "")
        assert.are.equal("N    B\né    x\nab   y\n", plain)
    end)

    it("is nothing without rows", function()
        local out, stdout = make()
        out:table({ "A" }, {})
        assert.are.equal("", stdout.text)
    end)

    it("cuts its last column to the terminal, and only there", function()
        local long = ("x"):rep(100)
        local out, stdout = make { stdout = true }
        out:table({ "A", "REASON" }, { { "a", long } })
        assert.matches("\na   x+…\n$", stdout.text)
        assert.are.equal(60, units.width(stdout.text:match "\n(a[^\n]*)\n$"))
        out, stdout = make()
        out:table({ "A", "REASON" }, { { "a", long } })
        assert.matches(long, stdout.text)
    end)
end)

describe("colour", function()
    it("is for terminals", function()
        assert.matches("\27", (make { stdout = true }):status "running")
        assert.are.equal("running", (make()):status "running")
    end)

    it("goes with NO_COLOR and on a dumb terminal", function()
        assert.are.equal("failed", (make({ stdout = true }, { NO_COLOR = "1" })):status "failed")
        assert.are.equal("failed", (make({ stdout = true }, { TERM = "dumb" })):status "failed")
        assert.matches("\27", (make({ stdout = true }, { NO_COLOR = "" })):status "failed")
    end)

    it("has one for a status that is not known", function()
        assert.matches("levitating", (make { stdout = true }):status "levitating")
    end)
end)

describe("progress", function()
    it("is a line for each step where nobody looks on", function()
        local out, stdout, stderr = make()
        out:progress("a", "pulling 1 of 9")
        out:progress("a", "pulling 5 of 9")
        out:progress("b", "starting")
        assert.are.equal("pulling 1 of 9\nstarting\n", stderr.text)
        assert.are.equal("", stdout.text)
    end)

    it("is one line that is rewritten on a terminal, and goes before anything else is written", function()
        local out, _, stderr = make { stderr = true }
        out:progress("a", "one")
        out:progress("a", "two")
        out:note("done")
        assert.are.equal("\rone\27[K\rtwo\27[K\r\27[Kdone\n", stderr.text)
    end)

    it("fits the terminal", function()
        local out, _, stderr = make { stderr = true }
        out:progress("a", ("é"):rep(100))
        assert.are.equal(59, utf8.len((stderr.text:gsub("\27%[K", ""):gsub("\r", ""))))
    end)

    it("is silent with --json where nobody looks on", function()
        local out, _, stderr = make({}, {}, true)
        out:progress("a", "one")
        assert.are.equal("", stderr.text)
    end)
end)

describe("a problem", function()
    local raised = { code = "not_found", detail = "There is no \27[2Jworkload.", hint = "Look.", request_id = "r1" }

    it("is told in JSON also where it names what is not UTF-8", function()
        local out, _, stderr = make({}, {}, true)
        out:problem({ code = "invalid", detail = "no caf\xe9", line = 2 }, function(value)
            if utf8.len(value.detail) then return fakes.json.encode(value) end
        end)
        assert.matches('"detail":"no caf?"', stderr.text, 1, true)
    end)

    it("is a sentence, what to do, and the request", function()
        local out, stdout, stderr = make()
        out:problem(raised, fakes.json.encode)
        assert.are.equal("lattice: There is no ?[2Jworkload.\n  Look.\n  request id: r1\n", stderr.text)
        assert.are.equal("", stdout.text)
    end)

    it("is one line of JSON on stderr with --json", function()
        local out, stdout, stderr = make({}, {}, true)
        out:problem(raised, fakes.json.encode)
        assert.are.equal("", stdout.text)
        assert.are.same(raised, fakes.json.decode(stderr.text))
        assert.matches("^[^\n]+\n$", stderr.text)
    end)
end)

describe("a reader that went away", function()
    it("ends the command without a word", function()
        local out, stdout = make()
        stdout.write = function() return nil, "Broken pipe", 32 end
        local ok, ended = pcall(out.line, out, "x")
        assert.is_false(ok)
        assert.are.same({ "left", 141 }, { ended.code, ended.status })
    end)

    it("is told from a disk that is full", function()
        local out, stdout = make()
        stdout.flush = function() return nil, "No space left on device", 28 end
        local ok, ended = pcall(out.flush, out)
        assert.is_false(ok)
        assert.matches("No space left", ended.detail)
    end)
end)

describe("units", function()
    it("are short", function()
        assert.are.same({ "0s", "59s", "1m", "3h", "2d" }, { units.age(-5), units.age(59999), units.age(61000),
            units.age(3 * 3600000), units.age(50 * 3600000) })
        assert.are.same({ "0 bytes", "512 bytes", "1 KiB", "1.5 KiB", "128 MiB", "24 GiB", "5000 TiB" },
            { units.size(0), units.size(512), units.size(1024), units.size(1536), units.size(128 << 20),
                units.size(24 << 30), units.size(5000 << 40) })
        assert.are.same({ "0", "0.5", "2", "10", "1.25" },
            { units.cpu(0), units.cpu(500), units.cpu(2000), units.cpu(10000), units.cpu(1250) })
        assert.are.same({ "1 node", "2 nodes" }, { units.count(1, "node"), units.count(2, "node") })
    end)

    it("let no control character through", function()
        assert.are.equal("a?[31mb c?d", units.clean("a\27[31mb\r\nc\xC2\x9Bd"))
    end)
end)
