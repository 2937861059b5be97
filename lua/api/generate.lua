-- Writes what comes from lua/api/api.lua: the types for editors and the manual.
--
--   lua5.4 lua/api/generate.lua            from the root of the repository; writes both files
--   lua5.4 lua/api/generate.lua --check    says which of them is stale; exit status 1 if one is

package.path = "lua/?.lua;" .. package.path
local api = require "api.api"

local TYPES_FILE = "lua/api/lattice.d.lua"
local MANUAL_FILE = "docs/lua/api.md"
local NOTE = "Made by lua/api/generate.lua from lua/api/api.lua: change it there."

local function writer()
    local lines = {}
    return function(format, ...)
        lines[#lines + 1] = select("#", ...) > 0 and format:format(...) or format
    end, function() return table.concat(lines, "\n") .. "\n" end
end

local function names_of(arguments)
    local names = {}
    for index, argument in ipairs(arguments) do names[index] = argument.name end
    return table.concat(names, ", ")
end

local function class_of(name)
    return "lattice." .. name
end

-- The name of a type as LuaCATS writes it: the objects of the API are classes.
local function editor_type(type)
    for _, object in ipairs(api.objects) do
        if object.name == type then return class_of(type) end
    end
    return type
end

-- The makers that tests of policies have, each with the types that it makes.
local function makers()
    local list, known = {}, {}
    for _, decision in ipairs(api.decisions) do
        for _, argument in ipairs(decision.file:find "^policy" and decision.args or {}) do
            local maker = known[argument.name] or { name = argument.name, types = {} }
            if not known[argument.name] then list[#list + 1] = maker end
            known[argument.name] = maker
            local made = argument.name .. " " .. argument.type
            if not known[made] then
                maker.types[#maker.types + 1] = { name = argument.type, file = decision.file }
            end
            known[made] = true
        end
    end
    return list
end

local function has_maker(object)
    for _, maker in ipairs(makers()) do
        for _, made in ipairs(maker.types) do
            if made.name == object then return true end
        end
    end
    return false
end

local function with_article(word)
    return (word:find "^[aeiou]" and "an " or "a ") .. word
end

local function types_of_makers(line)
    for _, maker in ipairs(makers()) do
        local types = maker.types
        for _, made in ipairs(types) do
            line("")
            line("---What a test may say of %s; the rest is as the manual has it.", with_article(made.name))
            line("---@class %s.given", class_of(made.name))
            for _, object in ipairs(api.objects) do
                for _, field in ipairs(object.name == made.name and object.fields or {}) do
                    line("---@field %s? %s", field.name, field.type:gsub("|nil$", ""))
                end
            end
        end
        line("")
        for _, made in ipairs(types) do
            line("---In tests (%s): makes %s of which this is so.", made.file, with_article(made.name))
        end
        for index = 2, #types do
            local class = class_of(types[index].name)
            line("---@overload fun(given: %s.given): %s", class, class)
        end
        line("---@param given %s.given", class_of(types[1].name))
        line("---@return %s", class_of(types[1].name))
        line("function %s(given) end", maker.name)
    end
end

local function types()
    local line, text = writer()
    line("---@meta")
    line("-- %s", NOTE)
    for _, object in ipairs(api.objects) do
        line("")
        line("---%s", object.doc)
        line("---@class %s", class_of(object.name))
        for _, field in ipairs(object.fields) do
            line("---@field %s %s # %s", field.name, field.type, field.doc)
        end
    end
    line("")
    line("---The library of plugins.")
    line("lattice = {}")
    for _, fn in ipairs(api.functions) do
        line("")
        line("---%s", fn.doc)
        for _, argument in ipairs(fn.args) do
            local type = argument.type
            if argument.fields then
                local fields = {}
                for index, field in ipairs(argument.fields) do
                    fields[index] = ("%s%s: %s"):format(field.name, field.required and "" or "?", field.type)
                end
                type = ("{ %s }"):format(table.concat(fields, ", "))
            end
            line("---@param %s %s # %s", argument.name, type, argument.doc)
        end
        for _, result in ipairs(fn.returns) do line("---@return %s # %s", result.type, result.doc) end
        line("function lattice.%s(%s) end", fn.name, names_of(fn.args))
    end
    for _, decision in ipairs(api.decisions) do
        line("")
        line("---%s (%s)", decision.doc, decision.file)
        for _, argument in ipairs(decision.args) do
            line("---@param %s %s", argument.name, editor_type(argument.type))
        end
        for _, result in ipairs(decision.returns) do line("---@return %s # %s", result.type, result.doc) end
        line("function %s(%s) end", decision.name, names_of(decision.args))
    end
    types_of_makers(line)
    return text()
end

local function manual_builtins(line)
    line("")
    line("## What is there of Lua itself")
    line("")
    line("Lua 5.4, and of its library only this. Nothing reads a clock, makes chance, loads code or reaches outside.")
    line("`pairs` and `next` go through a table in the order of its keys: numbers, then texts, then `false`, `true`.")
    line("")
    local libraries = {}
    for name in pairs(api.builtins) do libraries[#libraries + 1] = name end
    table.sort(libraries)
    for _, library in ipairs(libraries) do
        line("- %s: `%s`", library == "" and "functions" or ("`%s`"):format(library),
            table.concat(api.builtins[library], "`, `"))
    end
end

local function manual_functions(line)
    line("")
    line("## The library `lattice`")
    for _, fn in ipairs(api.functions) do
        line("")
        line("### lattice.%s(%s)", fn.name, names_of(fn.args))
        line("")
        line("%s In %s, since version %d.", fn.doc, fn.files, fn.since)
        line("")
        for _, argument in ipairs(fn.args) do
            local bounds = argument.min and (", %d to %d"):format(argument.min, argument.max) or ""
            line("- `%s`: %s%s: %s", argument.name, argument.type, bounds, argument.doc)
            for _, field in ipairs(argument.fields or {}) do
                line("  - `%s`: %s%s: %s", field.name, field.type, field.required and "" or ", may be left out",
                    field.doc)
            end
        end
        for _, result in ipairs(fn.returns) do line("- returns %s: %s", result.type, result.doc) end
    end
end

-- An example as one would write it in Lua.
local function shown(value)
    if value == math.maxinteger then return "math.maxinteger" end
    return type(value) == "string" and ("%q"):format(value) or type(value) == "table" and "{}" or tostring(value)
end

local function manual_files(line)
    line [[

## A file

- A policy is one file: `placement.lua`, `admission.lua` or `approval.lua`. A plugin is a folder of its own. The text
  is UTF-8, at most 256 KiB.
- The whole file is run anew for each decision, so nothing is kept from one to the next; that a function sets a global
  while it decides is an error. What the console calls, tests included, are globals: `function filter`, not `local
  function filter`.
- When it is loaded, a policy is tried on the examples below, and its tests are run. Only what passes comes into force.
- The deadline of a decision is `--policy-deadline`, 500 ms unless set; loading and testing a file has four times that.
  What is late is stopped: that decision goes to the built-in rule, and a file that loads too slowly is refused.

## A policy's own tests

Functions whose names begin with `test_`. A test fails by an error: `assert(condition, message)`, or one that a
function of the policy raises. For each argument of the policy's functions a test has a maker of the same name,
`node { cpu = 8 }`, which gives the example below (column *in tests*) with that changed; a field that there is not, or
of another type, is an error.

```lua
function test_a_node_that_is_ill_is_refused()
    local ok, why = filter(node { healthy = false }, workload {})
    assert(not ok and why == "is not healthy", why)
end
```

`lattice policy test FILE` runs them anywhere, without a console.

## In an editor

`lua/api/lattice.d.lua` describes all of this to the Lua language server. A `.luarc.json` beside your policies names its
folder, and which of Lua's own libraries there are not:

```json
{
    "runtime.version": "Lua 5.4",
    "runtime.builtin": {
        "coroutine": "disable", "debug": "disable", "io": "disable", "os": "disable", "package": "disable"
    },
    "workspace.library": ["/path/to/lua/api"]
}
```

What a function is given it learns from lines above it:

```lua
---@param node lattice.node
---@param workload lattice.workload
function filter(node, workload)
```]]
end

local function manual()
    local line, text = writer()
    line("# The Lua API, version %d", api.version)
    line("")
    line("<!-- %s -->", NOTE)
    line("")
    line("Policies and plugins are Lua files that define functions; the console calls them. A file runs in a jailed")
    line("process, in an environment that is fresh for every run: it keeps no state, opens nothing and answers within")
    line("a deadline. Reading a field or a name that is not listed here is an error that names the nearest. What of a")
    line("policy is compiled, and what is not, says [compiled.md](compiled.md).")
    line("")
    line("## Functions that a file defines")
    for _, decision in ipairs(api.decisions) do
        line("")
        line("### %s(%s)", decision.name, names_of(decision.args))
        line("")
        line("%s For: %s. Since version %d.", decision.doc, decision.file, decision.since)
        line("")
        for _, argument in ipairs(decision.args) do
            line("- `%s`: [%s](#%s)", argument.name, argument.type, argument.type)
        end
        for _, result in ipairs(decision.returns) do
            line("- returns %s: %s", result.type:gsub("|", " or "):gsub("%?$", ", may be left out"), result.doc)
        end
    end
    manual_files(line)
    line("")
    line("## What these functions are given")
    for _, object in ipairs(api.objects) do
        line("")
        line("### %s", object.name)
        line("")
        line(object.doc)
        line("")
        local tested = has_maker(object.name)
        line("| field | type | what |%s since |", tested and " in tests |" or "")
        line("|---|---|---|---|%s", tested and "---|" or "")
        for _, field in ipairs(object.fields) do
            line("| `%s` | %s | %s |%s %d |", field.name, (field.type:gsub("|", " or ")), field.doc,
                tested and (" `%s` |"):format(shown(field.example)) or "", field.since)
        end
    end
    manual_functions(line)
    manual_builtins(line)
    return text()
end

local function read(path)
    local file = io.open(path)
    if not file then return nil end
    local text = file:read "a"
    file:close()
    return text
end

local status = 0
for path, text in pairs { [TYPES_FILE] = types(), [MANUAL_FILE] = manual() } do
    if arg[1] ~= "--check" then
        local file = assert(io.open(path, "w"))
        file:write(text)
        file:close()
    elseif read(path) ~= text then
        print(path .. " is stale: run lua5.4 lua/api/generate.lua")
        status = 1
    end
end
os.exit(status)
