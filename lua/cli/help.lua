-- Help out of the table of commands, for people at a terminal.

local args = require "cli.args"

local help = {}

local function flag_rows(flags)
    local rows = {}
    for _, flag in ipairs(flags or {}) do
        -- Those with a short form stand a little to the left.
        local usage = args.flag_usage(flag)
        rows[#rows + 1] = { flag.short and usage or "    " .. usage, flag.help }
    end
    return rows
end

local function paragraphs(out, text)
    for line in (text .. "\n"):gmatch "(.-)\n" do out:line(line) end
end

-- `lattice help COMMAND`
function help.command(out, command)
    out:line(("lattice %s"):format(args.usage(command)))
    out:line("  " .. command.summary .. ".")
    if command.details then
        out:line("")
        paragraphs(out, command.details)
    end
    if command.flags and #command.flags > 0 then
        out:line("")
        out:line(out:paint("bold", "Flags"))
        out:fields(flag_rows(command.flags), 2)
    end
    if command.examples then
        out:line("")
        out:line(out:paint("bold", "Examples"))
        for _, example in ipairs(command.examples) do out:line("  " .. example) end
    end
    if not command.elsewhere then
        out:line("")
        out:line(out:paint("bold", "Flags of every command"))
        out:fields(flag_rows(args.globals), 2)
    end
end

-- Calls fn(section, commands of it) in the order of the table.
function help.sections(all, fn)
    local order, sections = {}, {}
    for _, command in ipairs(all) do
        if not sections[command.section] then
            sections[command.section] = {}
            order[#order + 1] = command.section
        end
        table.insert(sections[command.section], command)
    end
    for _, section in ipairs(order) do fn(section, sections[section]) end
end

-- `lattice help`
function help.overview(out, all)
    out:line("lattice COMMAND [FLAG]...")
    out:line("  Run databases and services on machines of your own, each with a public address.")
    help.sections(all, function(section, members)
        local rows = {}
        for _, command in ipairs(members) do rows[#rows + 1] = { command.name, command.summary } end
        out:line("")
        out:line(out:paint("bold", section))
        out:fields(rows, 2)
    end)
    out:line("")
    out:line("`lattice help COMMAND` says more about one of them.")
end

return help
