-- Commands about the CLI itself: config show, version, help, completion.

local completion = require "cli.completion"
local help = require "cli.help"
local manual = require "cli.manual"
local problem = require "cli.problem"
local units = require "cli.units"

local SECTION = "About lattice"

local function all_commands()
    return require("cli.commands").all() -- late: that table holds these commands too
end

-- ---- config, version

local function config_show(context, options)
    local loaded = context:config()
    if options.json then
        context:print_json(context.json.array(loaded.shown))
        return
    end
    local rows = {}
    for index, setting in ipairs(loaded.shown) do
        rows[index] = { setting.name, units.clean(setting.value), units.clean(setting.origin), setting.help }
    end
    if loaded.login.authority and loaded.authority == loaded.login.authority then
        rows[#rows + 1] = { "authority", "(kept by login)", "file " .. loaded.path,
            "the console's certificate authority" }
    end
    context.out:table({ "NAME", "VALUE", "ORIGIN", "WHAT IT IS" }, rows)
end

-- The console's version, or why it cannot be told.
local function console_version(context)
    local addr = context:config().addr
    if not addr then return nil end
    local ok, answer = pcall(function() return context:console():get("/api/v1/version") end)
    if ok then return { addr = addr, version = answer.version } end
    if not problem.is(answer) then error(answer, 0) end
    return { addr = addr, error = answer.detail }
end

local function version(context, options)
    local system = context.system
    local console = not options.client and console_version(context) or nil
    if options.json then
        context:print_json { version = system.version, build = system.build, console = console }
        return
    end
    context.out:line(("lattice %s (build %s)"):format(system.version, system.build))
    if console then
        local said = console.version or "unknown: " .. console.error
        context.out:line(("console %s (%s)"):format(units.clean(said), console.addr))
    end
end

-- ---- help

local function show_default(value)
    if type(value) == "table" then
        local words = {}
        for index, item in ipairs(value) do words[index] = tostring(item) end
        return table.concat(words, " ")
    end
    return value ~= nil and tostring(value) or ""
end

local function show_type(context, manifest)
    context.out:line("")
    local title = context.out:paint("bold", units.clean(manifest.name))
    context.out:line(("%s   %s"):format(title, units.clean(manifest.description)))
    local names, rows = {}, {}
    for name in pairs(manifest.params or {}) do names[#names + 1] = name end
    table.sort(names)
    for index, name in ipairs(names) do
        local param = manifest.params[name]
        rows[index] = { "  " .. units.clean(name), units.clean(param.type), param.required and "required" or
            units.clean(show_default(param.default)), units.clean(param.help or "") }
    end
    if #rows > 0 then context.out:table({ "  --param", "TYPE", "DEFAULT", "" }, rows) end
end

-- Types and their parameters, from the console.
local function show_types(context, wanted)
    local items = context:console():list "/api/v1/types"
    local names, found = {}, false
    for _, manifest in ipairs(items) do
        names[#names + 1] = manifest.name
        if not wanted or manifest.name == wanted then
            show_type(context, manifest)
            found = true
        end
    end
    if wanted and not found then
        problem.unknown("type", wanted, names, "Types are " .. table.concat(names, ", ") .. ".")
    end
end

local function deploy_help(context, wanted)
    if wanted then return show_types(context, wanted) end
    local ok, raised = pcall(show_types, context, nil)
    if ok then return end
    if not problem.is(raised) then error(raised, 0) end
    context.out:note("\nTypes and their parameters come from the console: " .. units.clean(raised.detail))
end

local function find_commands(name)
    local all, found, names = all_commands(), {}, {}
    for _, command in ipairs(all) do
        if command.name == name then return { command } end
        if command.name:sub(1, #name + 1) == name .. " " then found[#found + 1] = command end
        names[#names + 1] = command.name
    end
    if #found == 0 then problem.unknown("command", name, names, "`lattice help` lists the commands.") end
    return found
end

local function run_help(context, options, operands)
    local words = operands.COMMAND
    if options.markdown then
        context.out:line(manual.markdown(all_commands()))
        return
    elseif #words == 0 then
        help.overview(context.out, all_commands())
        return
    end
    local deploys = words[1] == "deploy"
    if deploys and words[2] then
        deploy_help(context, words[2])
        return
    end
    for index, command in ipairs(find_commands(table.concat(words, " "))) do
        if index > 1 then context.out:line("") end
        help.command(context.out, command)
    end
    if deploys then deploy_help(context) end
end

local function run_completion(context, _, operands)
    local script = completion.script(operands.SHELL, all_commands())
    if not script then
        problem.usage(("There is no completion for '%s'."):format(operands.SHELL), "There is bash, and zsh.")
    end
    context.out:raw(script)
end

return {
    {
        name = "config show",
        section = SECTION,
        summary = "Show the settings of the commands and where each comes from",
        run = config_show,
    },
    {
        name = "version", section = SECTION, summary = "Show the version of this program and of the console",
        flags = { { name = "client", help = "do not ask the console" } },
        run = version,
    },
    {
        name = "help",
        section = SECTION,
        summary = "Show the commands, or what one of them does",
        operands = { { name = "COMMAND", many = true, optional = true } },
        flags = { { name = "markdown", help = "the manual of all commands, in Markdown" } },
        examples = { "lattice help deploy postgres", "lattice help node" },
        run = run_help,
    },
    {
        name = "completion",
        section = SECTION,
        summary = "Print the completion for a shell",
        operands = { { name = "SHELL" } },
        examples = { "source <(lattice completion bash)" },
        run = run_completion,
    },
}
