-- What a command works with: the bindings, the output, the configuration and the console, each made when first used.

local client = require "cli.client"
local config = require "cli.config"
local problem = require "cli.problem"

local context = {}
context.__index = context

-- parts: {http, json, policy, settings, system, terminal, getenv}; options: the flags that were given.
function context.new(parts, out, options)
    return setmetatable({ parts = parts, system = parts.system, terminal = parts.terminal, json = parts.json,
        policy = parts.policy, out = out, options = options }, context)
end

function context:config()
    self.loaded = self.loaded or config.load(self.parts, self.options)
    return self.loaded
end

-- The console that the user is logged in to; raises how to log in.
function context:console()
    if not self.connected then
        local loaded = self:config()
        if not loaded.addr then
            if loaded.broken then problem.raise(loaded.broken) end
            problem.raise { code = "unauthenticated", detail = "No console is known here.",
                hint = "Log in with `lattice login URL`, or set LATTICE_ADDR and LATTICE_TOKEN." }
        end
        self.connected = client.new(self.parts, loaded)
    end
    return self.connected
end

-- Whether somebody is there to answer a question.
function context:can_ask()
    return self.terminal.is "stdin" and self.terminal.is "stderr"
end

-- Asks for a yes; raises when it is anything else.
function context:confirm(question)
    local answer = problem.check(self.terminal.ask(question .. " [y/N] ", false))
    if not answer:lower():find("^%s*y") then
        problem.raise { code = "cancelled", detail = "Nothing was changed." }
    end
end

-- The secret in a file ("-": stdin), or typed in; `twice` for a new one. usage: how it is given without a terminal.
function context:secret(file, prompt, usage, twice)
    if file == "-" then return problem.check(self.terminal.ask("", true)) end
    if file then return (problem.read_file(self.system, file):gsub("\r?\n$", "")) end
    if not self:can_ask() then
        problem.usage("There is no terminal to ask for the password.", usage)
    end
    local secret = problem.check(self.terminal.ask(prompt .. ": ", true))
    if twice and secret ~= problem.check(self.terminal.ask(prompt .. ", again: ", true)) then
        problem.usage("The two passwords are not the same.")
    end
    return secret
end

-- Prints a value as one line of JSON.
function context:print_json(value)
    self.out:line(problem.check(self.json.encode(value)))
end

return context
