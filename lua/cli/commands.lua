-- The one table of commands: what is understood, the help, the completion and docs/cli.md all come from it.
--
--   { name, section, summary, operands, flags, rest, details, examples,
--     run = function(context, options, operands, rest) }
--
-- See cli/args.lua for flags and operands.

local commands = {}

local GROUPS = { "login", "deploy", "workloads", "look", "nodes", "policy", "people", "audit", "about" }

-- Those of other programs in the same executable, described for help alone.
local ELSEWHERE = {
    {
        name = "server",
        section = "Running a console",
        summary = "Run the console",
        elsewhere = true,
        details = "`lattice server --help` lists its settings. Each is a flag, a variable LATTICE_NAME, and a line "
            .. "LATTICE_NAME=VALUE in the file that --config names.",
    },
}

function commands.all()
    local all = {}
    for _, group in ipairs(GROUPS) do
        for _, command in ipairs(require("cli." .. group)) do all[#all + 1] = command end
    end
    for _, command in ipairs(ELSEWHERE) do all[#all + 1] = command end
    return all
end

return commands
