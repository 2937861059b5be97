-- Commands about policies: policy check, test, ls, show, versions, diff, apply, rollback.

local diff = require "cli.diff"
local problem = require "cli.problem"
local units = require "cli.units"

local SECTION = "Policies"

local function path_of(context, name)
    return "/api/v1/policies/" .. context.system.escape(name)
end

local function text(value)
    return value ~= nil and units.clean(value) or ""
end

local function moment(value)
    return type(value) == "string" and units.moment(value) or ""
end

-- Reads a policy, as of a revision where one is given. Returns it and its JSON to the letter.
local function read(context, name, revision)
    return context:console():get(path_of(context, name) .. (revision and "?revision=" .. revision or ""))
end

-- Source of a file as it is shown: what could draw on a terminal is taken out, line ends, tabs and blanks stay.
local function clean_source(source)
    return (source:gsub("[^ \n\t]+", units.clean))
end

local function ls(context, options)
    local items, texts = context:console():list "/api/v1/policies"
    if options.json then
        context.out:line("[" .. table.concat(texts, ",") .. "]")
        return
    end
    local rows = {}
    for index, policy in ipairs(items) do
        rows[index] = { text(policy.name), text(policy.revision), text(policy.author), text(policy.origin),
            moment(policy.changed_at), text(policy.refused) }
    end
    context.out:table({ "NAME", "REVISION", "AUTHOR", "ORIGIN", "SINCE", "NEWEST REFUSED" }, rows)
end

-- What became of the functions of a policy, a pair of each for output:fields.
local function functions_of(policy)
    local fields = {}
    for index, entry in ipairs(type(policy.functions) == "table" and policy.functions or {}) do
        local slow = entry.name == "admit" and "not compiled" or "row by row"
        local said = entry.compiled and "compiled, " .. units.count(entry.ops or 0, "operation")
            or ("%s, because of line %s: %s; instead: %s"):format(slow, text(entry.line), text(entry.why),
                text(entry.instead))
        fields[index] = { text(entry.name), said }
    end
    return fields
end

-- In what time most were answered; a bound that there is not is more than any.
local function within(use)
    if type(use.p99_ms) == "number" then
        return use.p99_ms > 0 and (", 99 of 100 within %g ms"):format(use.p99_ms) or ""
    end
    return (use.asks or 0) > 0 and ", more than 1 of 100 took longer than a minute" or ""
end

local function show(context, options, operands)
    local policy, raw = read(context, operands.NAME, options.revision)
    if options.json then
        context.out:line(raw)
        return
    elseif options.source then
        context.out:raw(policy.source)
        return
    end
    local use = type(policy.use) == "table" and policy.use or {}
    local used = ("%s, %s, %s%s"):format(units.count(use.asks or 0, "question"), units.count(use.errors or 0, "error"),
        units.count(use.kills or 0, "time") .. " stopped",
        within(use))
    context.out:line(("%s   revision %s%s"):format(context.out:paint("bold", text(policy.name)), text(policy.revision),
        policy.in_force == false and " (not in force)" or ""))
    context.out:fields({
        { "author", text(policy.author) },
        { "origin", text(policy.origin) },
        { "accepted", moment(policy.accepted_at) },
        { "in force since", policy.in_force and moment(policy.changed_at) or "" },
        { "newest", policy.newest ~= policy.revision and text(policy.newest) or "" },
        { "refused", text(policy.refused) },
        { "asked", used },
    }, 2)
    context.out:fields(functions_of(policy), 2)
    context.out:line("")
    context.out:raw(clean_source(policy.source))
end

local function versions(context, options, operands)
    local items, texts = context:console():list(path_of(context, operands.NAME) .. "/versions")
    if options.json then
        context.out:line("[" .. table.concat(texts, ",") .. "]")
        return
    end
    local rows = {}
    for index = #items, 1, -1 do
        local version = items[index]
        rows[#rows + 1] = { text(version.revision), version.in_force and "in force" or "", text(version.author),
            text(version.origin), moment(version.accepted_at), units.size(version.bytes or 0) }
    end
    context.out:table({ "REVISION", "", "AUTHOR", "ORIGIN", "ACCEPTED", "SIZE" }, rows)
end

-- Reads the source that an operator named; raises where it is not text, with the line as other mistakes of it have one.
local function read_source(context, path)
    local source = problem.read_file(context.system, path)
    local _, no_utf8 = utf8.len(source)
    local at = no_utf8 or source:find("\0", 1, true)
    if not at then return source end
    local _, before = source:sub(1, at - 1):gsub("\n", "")
    problem.raise { code = "policy", line = before + 1,
        hint = "Save the file as UTF-8, or leave out what is not ASCII.",
        detail = ("%s:%d: this is not %s"):format(units.clean(path), before + 1, no_utf8 and "UTF-8 text" or "text") }
end

-- ---- diff

-- The two texts to compare, each with what it is called.
local function sides(context, options, operands)
    local policy = read(context, operands.NAME)
    local in_force = { text = policy.source, name = ("revision %d, in force"):format(policy.revision) }
    if operands.FILE and options.revision then
        problem.usage("FILE and --revision say what to compare with twice.")
    elseif operands.FILE then
        return in_force, { text = read_source(context, operands.FILE), name = operands.FILE }
    end
    local revision = options.revision or policy.previous
    if not revision or revision == 0 then
        problem.raise { code = "not_found",
            detail = ("Nothing was in force before revision %d."):format(policy.revision),
            hint = "Name a file, or --revision." }
    end
    local other = read(context, operands.NAME, revision)
    return { text = other.source, name = ("revision %d"):format(revision) }, in_force
end

local COLOURS = { ["-"] = "red", ["+"] = "green", ["@"] = "dim" }

local function show_diff(context, options, operands)
    local old, new = sides(context, options, operands)
    local lines = diff.unified(old.text, new.text)
    if options.json then
        context:print_json { old = old.name, new = new.name, lines = context.json.array(lines) }
        return
    end
    if #lines == 0 then
        context.out:note(("%s and %s say the same."):format(old.name, new.name))
        return
    end
    context.out:line("--- " .. units.clean(old.name))
    context.out:line("+++ " .. units.clean(new.name))
    for _, line in ipairs(lines) do
        context.out:line(context.out:paint(COLOURS[line:sub(1, 1)], (line:gsub("[^ \t]+", units.clean))))
    end
end

-- ---- changes

local function tell(context, options, policy, raw)
    if options.json then
        context.out:line(raw)
    else
        context.out:line(("%s: revision %d is in force"):format(text(policy.name), policy.revision))
    end
end

local function apply(context, options, operands)
    local source = read_source(context, operands.FILE)
    local policy, raw = context:console():call("PUT", path_of(context, operands.NAME),
        { source = source, if_revision = options.if_revision })
    tell(context, options, policy, raw)
end

local function rollback(context, options, operands)
    local revision = operands.REVISION and math.tointeger(tonumber(operands.REVISION))
    if operands.REVISION and not (revision and revision > 0) then
        problem.usage(("A revision is a number from 1, not '%s'."):format(operands.REVISION),
            ("`lattice policy versions %s` lists them."):format(operands.NAME))
    end
    local policy, raw = context:console():call("POST", path_of(context, operands.NAME) .. "/rollback",
        { revision = revision, if_revision = options.if_revision })
    tell(context, options, policy, raw)
end

-- ---- check

local LUA_STATUS = 10 -- something of it is asked of Lua

local NAMES = { placement = true, admission = true, approval = true }
local ROW_BY_ROW = { filter = true, score = true }
local DEFINES = { filter = "placement", score = "placement", admit = "admission", approve = "approval" }

-- Returns which policy a file is: by its name, or else by the first of its decisions.
local function policy_of(path, source)
    local name = path:match "([^/]+)%.lua$"
    if NAMES[name] then return name end
    for defined in ("\n" .. source):gmatch "\n%s*function%s+([%w_]+)" do
        if DEFINES[defined] then return DEFINES[defined] end
    end
    return "placement"
end

local function show_function(context, path, entry)
    local out = context.out
    if entry.compiled then
        out:line(("  %-8s compiled with %s"):format(entry.name, units.count(entry.ops, "operation")))
        return
    end
    local said = ROW_BY_ROW[entry.name] and "runs row by row" or "is not compiled"
    out:line(("  %-8s %s: %s:%d: %s"):format(entry.name, out:paint("yellow", said), units.clean(path), entry.line,
        text(entry.why)))
    out:line("           instead: " .. text(entry.instead))
end

local MISSING = { { "filter", "any node may" }, { "score", "all nodes are as good" } }

-- Says which functions a policy for placement could have and has not: a name that was misspelled shows here.
local function show_missing(context, functions)
    local there = {}
    for _, entry in ipairs(functions) do there[entry.name] = true end
    for _, missing in ipairs(MISSING) do
        if not there[missing[1]] then context.out:line(("  %-8s is not defined: %s"):format(missing[1], missing[2])) end
    end
end

-- Loads a file as a console would; raises why it is refused. Returns what was said of it, and which policy it is.
local function try(context, options, path)
    local source = read_source(context, path)
    local name = options.as or policy_of(path, source)
    if not NAMES[name] then problem.unknown("policy", name, { "placement", "admission", "approval" }, "") end
    local answer, refused = context.policy.check(name, source)
    if not answer then
        -- A console calls the file by the policy's name; here it has the name that it was asked for by.
        local own = name .. ".lua"
        if refused.detail:sub(1, #own + 1) == own .. ":" then
            refused.detail = units.clean(path) .. refused.detail:sub(#own + 1)
        end
        problem.raise(refused)
    end
    return answer, name
end

local function test(context, options, operands)
    local answer, name = try(context, options, operands.FILE)
    local names = answer.test_names or {}
    if options.json then
        context:print_json { policy = name, tests = context.json.array(names) }
        return
    end
    local ok = context.out:paint("green", "ok")
    for _, each in ipairs(names) do context.out:line(("%s   %s"):format(ok, text(each))) end
    context.out:line(("%s passed"):format(units.count(#names, "test")))
    if #names == 0 then context.out:note("Tests are functions of the file whose names begin with test_.") end
end

local function check(context, options, operands)
    local path = operands.FILE
    local answer, name = try(context, options, path)
    local functions, whole = answer.functions or {}, answer.program ~= nil
    if options.json then
        answer.program = nil
        context:print_json { policy = name, compiled = whole, tests = answer.tests, defect = answer.defect,
            functions = context.json.array(functions) }
    else
        local tests = answer.tests or 0
        context.out:line(("%s: a policy for %s; %s passed"):format(units.clean(path), name, units.count(tests, "test")))
        for _, entry in ipairs(functions) do show_function(context, path, entry) end
        if name == "placement" and (whole or #functions > 0) then show_missing(context, functions) end
        if #functions == 0 and not whole then
            context.out:line("  nothing of it is compiled: " .. text(answer.defect or "nobody says why"))
        end
    end
    if not whole then problem.leave(LUA_STATUS) end
end

local AS = { name = "as", value = "POLICY",
    help = "placement, admission or approval (default: by the file's name, or what it defines)" }
local NAME = { name = "NAME" }
local IF_REVISION = { name = "if-revision", value = "NUMBER", kind = "integer", min = 1,
    help = "only while this revision is in force" }

return {
    {
        name = "policy check",
        section = SECTION,
        summary = "Try a policy's file here: load it, run its tests, say what of it is compiled",
        operands = { { name = "FILE" } },
        flags = { AS },
        details = [[
Nothing is asked of a console. The file is loaded in a process that can do nothing but answer, as a console does it.
Per function of the policy: compiled with so many operations, or the line that prevents it and what to write instead;
such a policy is right, and is asked in its process. The exit status is 0 when everything is compiled, 10 when something
is not, 1 when the file is refused.]],
        examples = { "lattice policy check placement.lua" },
        run = check,
    },
    {
        name = "policy test",
        section = SECTION,
        summary = "Run the tests inside of a policy's file here",
        operands = { { name = "FILE" } },
        flags = { AS },
        details = [[
Tests are the file's functions `test_*`; a console runs them whenever it loads the file, and refuses it when one
fails. Makers of the arguments are there for them: node { cpu = 8 } is the manual's example with that changed.]],
        run = test,
    },
    { name = "policy ls", section = SECTION, summary = "List the policies and what is in force", run = ls },
    {
        name = "policy show",
        section = SECTION,
        summary = "Show a policy: its text, whose it is, how often it was asked",
        operands = { NAME },
        flags = {
            { name = "revision", value = "NUMBER", kind = "integer", min = 1, help = "a version of before" },
            { name = "source", help = "its text and nothing else" },
        },
        examples = { "lattice policy show placement --source > placement.lua" },
        run = show,
    },
    {
        name = "policy versions", section = SECTION, summary = "List the versions of a policy that are kept",
        operands = { NAME }, run = versions,
    },
    {
        name = "policy diff",
        section = SECTION,
        summary = "Show what a file, or an older version, would change",
        operands = { NAME, { name = "FILE", optional = true } },
        flags = {
            { name = "revision", value = "NUMBER", kind = "integer", min = 1,
                help = "from this version to the one in force (default: what was in force before)" },
        },
        details = "With FILE from the version in force to the file.",
        run = show_diff,
    },
    {
        name = "policy apply",
        section = SECTION,
        summary = "Put a policy in force",
        operands = { NAME, { name = "FILE" } },
        flags = { IF_REVISION },
        details = [[
The text is loaded and tried first; one that is refused changes nothing, and the line and the reason are said. What
is in force decides from then on, and is written into the console's folder of policies; a file that somebody saves
there is applied in the same way.]],
        examples = { "lattice policy apply placement placement.lua" },
        run = apply,
    },
    {
        name = "policy rollback",
        section = SECTION,
        summary = "Go back to a version of a policy",
        operands = { NAME, { name = "REVISION", optional = true } },
        flags = { IF_REVISION },
        details = [[
Without REVISION to what was in force before; a second time, that is what one came from. `lattice policy versions`
lists what is kept.]],
        run = rollback,
    },
}
