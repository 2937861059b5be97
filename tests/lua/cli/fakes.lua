-- What the specs of the commands put in the place of the bindings (lua/host/bind_*.c): a console that answers from a
-- script, a clock that only sleep moves, a terminal that says what it is told to.

local dkjson = require "dkjson"

local args = require "cli.args"
local context = require "cli.context"
local output = require "cli.output"

local fakes = {}

fakes.json = {
    encode = function(value) return (dkjson.encode(value)) end,
    decode = function(text)
        local value, _, message = dkjson.decode(text)
        return value, message
    end,
    null = dkjson.null,
    array = function(list) return setmetatable(list, { __jsontype = "array" }) end,
}

-- A stream that keeps what is written.
local function sink()
    return {
        text = "",
        write = function(self, ...)
            if self.broken then return nil, "Broken pipe", 32 end
            self.text = self.text .. table.concat({ ... })
            return self
        end,
        flush = function(self) return self end,
    }
end

-- terminal{stdin = true, ..., answers = {"y"}}: which streams are terminals, and what is typed.
function fakes.terminal(is)
    is = is or {}
    return {
        asked = {},
        is = function(name) return is[name] or false end,
        width = function(name) return is[name] and 60 or nil end,
        ask = function(prompt)
            is.asked = (is.asked or "") .. prompt
            local answer = table.remove(is.answers or {}, 1)
            if not answer then return nil, { code = "closed", detail = "The input ended." } end
            return answer
        end,
    }
end

-- A system whose time stands still between two sleeps; `times`: what the texts of some moments mean.
function fakes.system(files, times)
    local system = { ms = 1000000, files = files or {}, ids = 0, version = "1.2.3", build = "abc" }
    function system.now() return system.ms, system.ms end
    function system.sleep(ms)
        system.ms = system.ms + ms
        return true
    end
    function system.interrupted() return false end
    function system.id()
        system.ids = system.ids + 1
        return ("key-%d"):format(system.ids)
    end
    function system.escape(text)
        return (text:gsub("[^%w%-._~]", function(char) return ("%%%02X"):format(char:byte()) end))
    end
    function system.duration(text)
        local number, unit = text:match "^(%d+)([sm])$"
        return number and math.tointeger(number) * (unit == "m" and 60000 or 1000) or nil
    end
    function system.time(text) return times and times[text] or system.ms - 90000 end
    function system.host_name() return "Laptop.example" end
    function system.items(text, member)
        local items = {}
        for index, item in ipairs(dkjson.decode(text)[member]) do items[index] = dkjson.encode(item) end
        return items
    end
    function system.read_file(path)
        local text = system.files[path]
        if not text then return nil, { code = "not_found", detail = "There is no " .. path } end
        return text
    end
    function system.write_file(path, text)
        system.files[path] = text
        return true
    end
    function system.remove_file(path)
        system.files[path] = nil
        return true
    end
    return system
end

-- A console. script: answers in order, each {status, body} or {error = {code, detail}} or a function(call) that returns
-- one; the last goes on for ever. `calls` are the calls that came.
function fakes.http(script)
    local http = { calls = {}, opened = {} }
    function http.open(options)
        table.insert(http.opened, options)
        local pending
        local session = {}
        function session.start(_, call)
            table.insert(http.calls, call)
            local answer = #script > 1 and table.remove(script, 1) or script[1]
            if type(answer) == "function" then answer = answer(call) end
            if answer.error then return nil, answer.error end
            local body = answer[2]
            pending = type(body) == "table" and { dkjson.encode(body) } or { body }
            pending.broken = answer.broken
            return answer[1], { ["content-type"] = answer.type or
                (answer[1] < 400 and "application/json" or "application/problem+json") }
        end
        function session.read()
            local piece = table.remove(pending, 1)
            if not piece and pending.broken then return nil, pending.broken end
            return piece
        end
        function session.authority() return "PINNED PEM" end
        return session
    end
    return http
end

-- Settings without a file, an environment or C: flags and the file's lines.
function fakes.settings(environment)
    return {
        read = function(flags, path, text)
            local values = {}
            for _, name in ipairs { "addr", "token", "cacert" } do values[name] = { value = "", origin = "default" } end
            for name, value in (text or ""):gmatch "LATTICE_(%u+)=([^\n]*)" do
                values[name:lower()] = { value = value, origin = "file " .. tostring(path) }
            end
            for name, value in pairs(environment or {}) do
                local setting = values[name:lower():gsub("^lattice_", "")]
                if setting then setting.value, setting.origin = value, "environment" end
            end
            for _, flag in ipairs(flags) do
                local name, value = flag:match "^%-%-(%l+)=(.*)$"
                values[name] = { value = value, origin = "flag" }
            end
            return values, {}
        end,
    }
end

-- Runs a command line against a script; returns {ok, raised, stdout, stderr, calls, system, terminal}.
-- options: script, terminal, files, environment.
function fakes.run(line, options)
    options = options or {}
    local words = type(line) == "table" and line or {}
    if type(line) == "string" then
        for word in line:gmatch "%S+" do words[#words + 1] = word end
    end
    local environment = options.environment or { LATTICE_ADDR = "https://console:8443", LATTICE_TOKEN = "lat_1" }
    local terminal = fakes.terminal(options.terminal)
    local stdout, stderr = sink(), sink()
    local parts = {
        http = fakes.http(options.script or {}), json = fakes.json, settings = fakes.settings(environment),
        system = fakes.system(options.files, options.times), terminal = terminal, policy = options.policy,
        getenv = function(name) return environment[name] end,
    }
    local out = output.new({ stdout = stdout, stderr = stderr }, terminal, { getenv = parts.getenv })
    local function go()
        local command, given, rest = args.split(words, require("cli.commands").all())
        local operands, behind
        given, operands, behind = args.parse(command, rest, given)
        out.json = given.json
        command.run(context.new(parts, out, given), given, operands, behind)
    end
    local ok, raised = xpcall(go, function(value)
        return type(value) == "table" and value or debug.traceback(value, 2)
    end)
    if type(raised) == "string" then error(raised, 0) end
    return {
        ok = ok, raised = raised, stdout = stdout.text, stderr = stderr.text, calls = parts.http.calls,
        opened = parts.http.opened, system = parts.system, asked = (options.terminal or {}).asked,
    }
end

return fakes
