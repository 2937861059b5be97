-- The words of a command line against the table of commands (cli/commands.lua).
--
--   lattice [GLOBAL FLAG]... COMMAND [FLAG | OPERAND]... [-- WORD...]
--
-- Flags may stand anywhere behind their command: --name VALUE, --name=VALUE, -n VALUE. A flag:
--   { name, short, value = "WORD" (nil: a switch), kind = "list" | "integer" | "optional", min, max, help }
-- An operand: { name, optional, many }. `rest = true` in a command takes the words behind `--`.

local problem = require "cli.problem"

local args = {}

-- What every command takes.
args.globals = {
    { name = "addr", value = "URL", help = "the console, https://HOST:PORT (LATTICE_ADDR)" },
    { name = "token", value = "TOKEN", help = "the token to use (LATTICE_TOKEN, LATTICE_TOKEN_FILE)" },
    { name = "cacert", value = "FILE", help = "the console's certificate authority (LATTICE_CACERT)" },
    { name = "json", help = "answer in JSON: results on stdout, a problem as the last line of stderr" },
    { name = "help", short = "h", help = "say what the command does" },
}

local function key_of(flag)
    return (flag.name:gsub("-", "_"))
end

-- Returns the flag that a word such as --name=VALUE or -n names, and the VALUE; raises what to type instead.
local function find_flag(word, flags, help)
    local dashes, name, value = word:match("^(%-%-?)([^=]+)=?(.*)$")
    if not word:find("=", 1, true) then value = nil end
    local known = {}
    for _, flag in ipairs(flags) do
        if (dashes == "--" and flag.name == name) or (dashes == "-" and flag.short == name) then
            return flag, value
        end
        known[#known + 1] = "--" .. flag.name
    end
    problem.unknown("flag", dashes .. (name or ""), known, help)
end

local function to_integer(flag, text)
    local number = text:match("^%d+$") and math.tointeger(tonumber(text))
    if not number or number < (flag.min or 0) or (flag.max and number > flag.max) then
        problem.usage(("--%s takes a whole number%s%s, not '%s'."):format(flag.name,
            flag.min and (" from %d"):format(flag.min) or "", flag.max and (" to %d"):format(flag.max) or "", text))
    end
    return number
end

local function store(options, flag, value)
    local key = key_of(flag)
    if flag.kind == "list" or flag.kind == "optional" then
        options[key] = options[key] or {}
        table.insert(options[key], value)
    elseif flag.kind == "integer" then
        options[key] = to_integer(flag, value)
    else
        options[key] = value
    end
end

-- Takes words[at], a flag, and returns the index of the last word it used. `full`: no operand is missing.
local function take_flag(words, at, flags, options, full, help)
    local flag, value = find_flag(words[at], flags, help)
    if not flag.value then
        if value then problem.usage(("--%s takes no value."):format(flag.name), help) end
        options[key_of(flag)] = true
        return at
    end
    if flag.kind == "optional" then
        options[key_of(flag)] = options[key_of(flag)] or {}
        -- Without '=' the next word is its value only where it can be nothing else.
        local follows = words[at + 1]
        if not value and full and follows and not follows:find("^%-") then
            value, at = follows, at + 1
        end
        if value then store(options, flag, value) end
        return at
    end
    if not value then
        at = at + 1
        value = words[at]
        if not value then
            problem.usage(("--%s needs a value: --%s %s."):format(flag.name, flag.name, flag.value), help)
        end
    end
    store(options, flag, value)
    return at
end

-- ---- the command

local function index_of(commands)
    local index, first_words, names = {}, {}, {}
    for _, command in ipairs(commands) do
        index[command.name] = command
        names[#names + 1] = command.name
        local group = command.name:match("^(%S+) ")
        if group then
            first_words[group] = first_words[group] or {}
            table.insert(first_words[group], command.name)
        end
    end
    return index, first_words, names
end

-- Splits a command line: global flags in front, the command, its words. Without a command it is `help`.
function args.split(words, commands)
    local index, groups, names = index_of(commands)
    local options, at = {}, 1
    if words[1] == "--version" then return index.version, options, table.move(words, 2, #words, 1, {}) end
    while words[at] and words[at]:find("^%-") do
        at = take_flag(words, at, args.globals, options, false, "`lattice help` lists the commands.") + 1
    end
    local first, second = words[at], words[at + 1]
    if not first then
        options.help = nil -- which it is anyhow
        return index.help, options, {}
    end
    if groups[first] then
        local command = second and index[first .. " " .. second]
        if command then return command, options, table.move(words, at + 2, #words, 1, {}) end
    end
    if groups[first] and not index[first] then
        if not second or second:find("^%-") then
            if second == "--help" or second == "-h" or options.help then return index.help, {}, { first } end
            problem.usage(("'lattice %s' needs one more word."):format(first),
                "Possible are: lattice " .. table.concat(groups[first], ", lattice "))
        end
        problem.unknown("command", first .. " " .. second, groups[first],
            "Possible are: lattice " .. table.concat(groups[first], ", lattice "))
    end
    if index[first] then return index[first], options, table.move(words, at + 1, #words, 1, {}) end
    problem.unknown("command", first, names, "`lattice help` lists the commands.")
end

-- ---- its words

local function assign_operands(command, given, help)
    local operands, at = {}, 1
    for _, operand in ipairs(command.operands or {}) do
        if operand.many then
            operands[operand.name] = table.move(given, at, #given, 1, {})
            at = math.max(at, #given + 1)
        else
            operands[operand.name] = given[at]
            at = at + 1
        end
        local value = operands[operand.name]
        if not operand.optional and (value == nil or (operand.many and #value == 0)) then
            problem.usage(("%s is missing: lattice %s"):format(operand.name, args.usage(command)), help)
        end
    end
    if given[at] then
        problem.usage(("'%s' is not expected here: lattice %s"):format(given[at], args.usage(command)), help)
    end
    return operands
end

local function takes_more(command, given)
    local operands = command.operands or {}
    local last = operands[#operands]
    return given < #operands or (last ~= nil and last.many)
end

-- Reads the words of a command into options (what args.split found among them), operands, and what stands behind --.
-- With --help nothing is missing.
function args.parse(command, words, options)
    local help = ("`lattice help %s` says more."):format(command.name)
    local flags = table.move(args.globals, 1, #args.globals, #(command.flags or {}) + 1,
        table.move(command.flags or {}, 1, #(command.flags or {}), 1, {}))
    local given, rest, at = {}, nil, 1
    while words[at] and not rest do
        local word = words[at]
        if word == "--" then
            if not command.rest then problem.usage("'--' is not expected here.", help) end
            rest = table.move(words, at + 1, #words, 1, {})
        elseif word:find("^%-.") then
            at = take_flag(words, at, flags, options, not takes_more(command, #given), help)
        else
            given[#given + 1] = word
        end
        at = at + 1
    end
    if options.help then return options, {}, rest end
    return options, assign_operands(command, given, help), rest
end

-- Returns how a command is written: "scale NAME COUNT [--yes] [--detach]".
function args.usage(command)
    local parts = { command.name }
    for _, operand in ipairs(command.operands or {}) do
        local text = operand.name .. (operand.many and "..." or "")
        parts[#parts + 1] = operand.optional and "[" .. text .. "]" or text
    end
    if command.flags and #command.flags > 0 then parts[#parts + 1] = "[FLAG]..." end
    if command.rest then parts[#parts + 1] = "[-- ARGUMENT...]" end
    return table.concat(parts, " ")
end

-- Returns how a flag is written: "-f, --follow", "--tail LINES", "--plain[=ENDPOINT]".
function args.flag_usage(flag)
    local text = (flag.short and "-" .. flag.short .. ", " or "") .. "--" .. flag.name
    if not flag.value then return text end
    return flag.kind == "optional" and ("%s[=%s]"):format(text, flag.value) or text .. " " .. flag.value
end

return args
