-- The commands' beginning and end: words in, exit status out. Everything else is in the files beside this one.

local args = require "cli.args"
local commands = require "cli.commands"
local context = require "cli.context"
local help = require "cli.help"
local output = require "cli.output"
local problem = require "cli.problem"

local parts = {
    http = require "http",
    json = require "json",
    policy = require "policy",
    settings = require "settings",
    system = require "system",
    terminal = require "terminal",
    getenv = os.getenv,
}

local INTERRUPTED_STATUS = 130

local function run(words, out)
    local all = commands.all()
    local command, options, rest = args.split(words, all)
    out.json = options.json
    local operands, behind
    options, operands, behind = args.parse(command, rest, options)
    out.json = options.json
    if options.help then
        help.command(out, command)
    else
        command.run(context.new(parts, out, options), options, operands, behind)
    end
    out:flush()
end

-- Raises mistakes of ours again, with the place where they happened.
local function keep(raised)
    return problem.is(raised) and raised or debug.traceback(tostring(raised), 2)
end

local function main(words)
    -- Until the words are understood, --json anywhere among them says how a problem is told.
    local json = false
    for _, word in ipairs(words) do
        if word == "--" then break end
        json = json or word == "--json"
    end
    local out = output.new({ stdout = io.stdout, stderr = io.stderr }, parts.terminal,
        { json = json, getenv = parts.getenv })
    local ok, raised = xpcall(run, keep, words, out)
    if parts.system.interrupted() then
        out:clear()
        if out.farewell and not out.json then out:note(out.farewell) end
        return INTERRUPTED_STATUS
    elseif ok then
        return 0
    elseif not problem.is(raised) then
        out:clear()
        error(raised, 0)
    elseif raised.code == "left" then
        return raised.status
    end
    out:problem(raised, parts.json.encode)
    return parts.system.exit_status(raised.code)
end

return main
