-- From the text of a policy to its program. See README.md.

local api = require "api.api"
local decide = require "compiler.decide"
local emit = require "compiler.emit"
local lexer = require "compiler.lexer"
local machine = require "compiler.machine"
local parser = require "compiler.parser"
local sandbox = require "lib.sandbox"
local ssa = require "compiler.ssa"
local walker = require "compiler.walker"

local compiler = {}

local KINDS = {
    boolean = { kind = "bool", type = "B" }, integer = { kind = "int", type = "I" },
    number = { kind = "float", type = "F" }, string = { kind = "text", type = "S" },
    ["string|nil"] = { kind = "option", type = "S" }, ["table<string, string>"] = { kind = "map" },
}

local function by_name(list)
    local named = {}
    for _, entry in ipairs(list) do named[entry.name] = entry end
    return named
end

local OBJECTS, DECISIONS = by_name(api.objects), by_name(api.decisions)

-- What a policy is handed, as the walker wants it: its arguments' fields, and what authors call them, by object.
local function described(args)
    local objects = {}
    for _, arg in ipairs(args) do
        local fields = {}
        for _, field in ipairs(OBJECTS[arg.type].fields) do fields[field.name] = KINDS[field.type] end
        objects[arg.type] = { name = arg.name, fields = fields }
    end
    return objects
end

-- Runs a copy of the file in which every token is on a line of its own, so that a function says by its last line which
-- of the tree it is. Returns what it made.
local function load_spread(source)
    local tokens = lexer.scan(source)
    if not tokens then error({ limit = ("it has more than %d words"):format(lexer.TOKENS_MAX), line = 1 }, 0) end
    local _, protos = parser.parse(tokens)
    local chunk = sandbox.compile(lexer.spread(source, tokens), "policy")
    local defined, globals = sandbox.run(chunk)
    local methods = {}
    for _, name in ipairs(api.builtins.string) do methods[name] = string[name] end
    return { protos = protos, defined = defined, globals = globals, methods = methods, histories = {} }
end

-- What a function cannot be compiled for, as the caller is told it.
local function excuse(raised, line)
    if type(raised) ~= "table" then
        local text = tostring(raised)
        if text:find("stack overflow", 1, true) or text:find("not enough memory", 1, true) then
            return { why = "it is too large", line = line, instead = "make it smaller" }
        end
        return { why = "the compiler failed: " .. tostring(raised), line = line, defect = true,
            instead = "Lua itself is asked; please report this" }
    elseif raised.limit then
        return { why = raised.limit, line = raised.line or line, instead = "make it smaller", is_large = true }
    elseif raised.what then
        return { why = raised.what, line = raised.line, instead = "write it in another way" }
    end
    return raised
end

-- The functions of each policy in the order in which they are asked; all of one are handed the same.
local POLICIES = { placement = { "filter", "score" }, admission = { "admit" }, approval = { "approve" } }

local HANDED = {}
for _, names in pairs(POLICIES) do
    for _, name in ipairs(names) do HANDED[name] = described(DECISIONS[name].args) end
end

local function keep(raised)
    return type(raised) == "table" and raised or debug.traceback(tostring(raised))
end

-- Compiles one function of the file into `found`. passed: where the one before lets a row pass. Returns where this one
-- does, and what stopped it.
local function compile_one(name, loaded, source, program, found, passed, turns)
    local m, args = machine.new(program, turns), DECISIONS[name].args
    m.traps, m.path = found.traps, passed
    local walk = walker.new(m, loaded, HANDED[name], source)
    local ok, raised = xpcall(function()
        if name == "score" then
            found.score, found.terms, found.score_line = decide.score(walk, loaded.defined.score, args)
        else
            found.rules, passed = decide.rules(walk, name, loaded.defined[name], args)
        end
    end, keep)
    if ok then return passed end
    return ssa.TRUE, excuse(raised, loaded.protos[debug.getinfo(loaded.defined[name], "S").lastlinedefined].line)
end

local function stop(entry, why)
    entry.compiled, entry.ops = false, nil
    entry.line, entry.why, entry.instead = why.line, why.why, why.instead
end

-- As compiler.compile, with so many turns. is_large: some bound was too small for it.
local function attempt(source, policy, turns)
    local decisions = POLICIES[policy or "placement"]
    local program = ssa.new()
    local found = { rules = {}, terms = {}, traps = {} }
    local result = { functions = {} }
    local ok, loaded = xpcall(load_spread, keep, source)
    if not ok then
        local why = excuse(loaded, 1)
        result.defect = why.defect and why.why
        for index, name in ipairs(decisions) do
            result.functions[index] = { name = name }
            stop(result.functions[index], why)
        end
        return result
    end
    local passed, whole = ssa.TRUE, true
    for _, name in ipairs(decisions) do
        if loaded.defined[name] then
            local traps, why = #found.traps
            local entry = { name = name, compiled = true }
            passed, why = compile_one(name, loaded, source, program, found, passed, turns)
            result.functions[#result.functions + 1] = entry
            if why and why.problem then return { functions = {}, problem = why } end
            if why then
                stop(entry, why)
                result.defect = result.defect or (why.defect and why.why)
                result.is_large = result.is_large or why.is_large
                whole = false
            else
                entry.ops = emit.size(program, found, name, traps)
            end
        end
    end
    if not whole then return result end
    ok, loaded = xpcall(emit.program, keep, program, found)
    if ok then
        result.program = loaded
        return result
    end
    local why = excuse(loaded, 1)
    result.defect, result.is_large = why.defect and why.why, why.is_large
    for _, entry in ipairs(result.functions) do stop(entry, why) end
    return result
end

local TURNS = { 64, 32, 16 } -- of a loop that a row alone ends

-- Compiles the decisions of a policy (default: "placement") that Lua has loaded without complaint. Returns
--   functions   {name, compiled, ops | line, why, instead} for each that the file defines
--   program     as a table for JSON, when all of them are compiled
--   problem     {line, problem: sentence} when the file is wrong: it names what is not there
--   defect      what went wrong in the compiler itself
function compiler.compile(source, policy)
    local result
    for _, most in ipairs(TURNS) do
        local turns = { most = most, least = TURNS[#TURNS] }
        local again = attempt(source, policy, turns)
        result = (not result or again.program) and again or result
        -- Fewer turns are less work, and leave more to Lua.
        if not again.is_large or not turns.are_cut then break end
    end
    return result
end

return compiler
