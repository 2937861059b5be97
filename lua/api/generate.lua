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

local function manual()
    local line, text = writer()
    line("# The Lua API, version %d", api.version)
    line("")
    line("<!-- %s -->", NOTE)
    line("")
    line("Policies and plugins are Lua files that define functions; the console calls them. A file runs in a jailed")
    line("process, in an environment that is fresh for every run: it keeps no state, opens nothing and answers within")
    line("a deadline. Reading a field or a name that is not listed here is an error that names the nearest. What of a")
    line("placement policy is compiled, and what is not, says [compiled.md](compiled.md).")
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
    line("")
    line("## What these functions are given")
    for _, object in ipairs(api.objects) do
        line("")
        line("### %s", object.name)
        line("")
        line(object.doc)
        line("")
        line("| field | type | what | since |")
        line("|---|---|---|---|")
        for _, field in ipairs(object.fields) do
            line("| `%s` | %s | %s | %d |", field.name, field.type:gsub("|", " or "), field.doc, field.since)
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
