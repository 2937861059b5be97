-- docs/cli.md out of the table of commands: `lattice help --markdown`. A test holds the file to it.

local args = require "cli.args"
local help = require "cli.help"

local manual = {}

local HEAD = [[
# The commands of `lattice`

Written by `lattice help --markdown` from the table of commands in `lua/cli`; do not edit it by hand.

## What holds for all of them

- Results go to stdout; progress, notes and problems to stderr.
- `--json` answers with one line of JSON for each thing asked for. A problem is then the last line of stderr, as the
  object that the API answers with (`code`, `detail`, `hint`, `request_id`).
- Colour is used on a terminal alone, and never with `NO_COLOR`.
- A command that changes a workload waits until that is done, and shows how far it is; `--detach` does not wait.
- Where data would be lost, a question is asked on a terminal; `--yes` answers it.
- A status that this version does not know is shown as it is.

### Where the console is

`lattice login` keeps address, token and certificate authority in `$XDG_CONFIG_HOME/lattice/config.json` (otherwise
`~/.config/lattice/config.json`), which only you can read. `LATTICE_ADDR`, `LATTICE_TOKEN` (or `LATTICE_TOKEN_FILE`) and
`LATTICE_CACERT` win over it, and flags win over those. The login's token is sent to the login's address alone.

### Exit status

| status | what happened |
|---|---|
| 0 | what was asked for |
| 1 | it did not happen: the reason is on stderr |
| 2 | the command or a value is not understood |
| 4 | nobody is logged in, or it is not allowed |
| 5 | there is no such thing |
| 6 | it is taken, or changed meanwhile |
| 7 | not now: unreachable, busy, no room, not healthy, or it took too long |
| 8 | the encrypted connection could not be trusted |
| 130 | Ctrl-C |
]]

local function flags_table(add, flags)
    add "| flag | |"
    add "|---|---|"
    for _, flag in ipairs(flags) do
        add(("| `%s` | %s |"):format(args.flag_usage(flag), (flag.help:gsub("|", "\\|"))))
    end
end

-- Returns the manual of these commands.
function manual.markdown(all)
    local lines = {}
    local function add(text) lines[#lines + 1] = text end

    add(HEAD)
    add "### Flags of every command"
    add ""
    flags_table(add, args.globals)
    help.sections(all, function(section, members)
        add ""
        add("## " .. section)
        for _, command in ipairs(members) do
            add ""
            add(("### lattice %s"):format(command.name))
            add ""
            add(("    lattice %s"):format(args.usage(command)))
            add ""
            add(command.summary .. ".")
            if command.details then
                add ""
                add(command.details)
            end
            if command.flags and #command.flags > 0 then
                add ""
                flags_table(add, command.flags)
            end
            if command.examples then
                add ""
                for _, example in ipairs(command.examples) do add("    " .. example) end
            end
        end
    end)
    return table.concat(lines, "\n")
end

return manual
