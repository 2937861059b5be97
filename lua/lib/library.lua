-- The library `lattice`, as a file sees it: made anew for every run, every argument checked by the
-- description in lua/api/api.lua.

local api = require "api.api"
local errors = require "lib.errors"
local nearest = require "lib.nearest"
local strict = require "lib.strict"

local library = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local makers = {}

-- Chance comes with the request, as bytes in hex: the same request gives the same passwords.
function makers.password(run)
    local position = 1
    return function(length)
        local characters = {}
        while #characters < length do
            local byte = tonumber(run.entropy:sub(position, position + 1), 16)
            if not byte then error("lattice.password was called for more characters than a rendering may have", 3) end
            position = position + 2
            -- The last 8 of 256 values would make some letters likelier than others.
            if byte < 4 * #ALPHABET then
                local index = byte % #ALPHABET + 1
                characters[#characters + 1] = ALPHABET:sub(index, index)
            end
        end
        return table.concat(characters)
    end
end

function makers.url_escape()
    return function(text)
        return (text:gsub("[^%w%-%._~]", function(character) return ("%%%02X"):format(character:byte()) end))
    end
end

function makers.error()
    return function(problem)
        errors.refuse(problem.field, problem.message, problem.hint)
    end
end

-- Raises an error in the file's own line unless the value fits its description.
local function check(name, argument, value)
    local kind = math.type(value) or type(value)
    local fits = kind == argument.type or (argument.type == "number" and kind == "integer")
    if not fits then
        error(("%s: %s must be a %s, not %s"):format(name, argument.name, argument.type, kind), 3)
    end
    if argument.min and (value < argument.min or value > argument.max) then
        error(("%s: %s must be from %d to %d"):format(name, argument.name, argument.min, argument.max), 3)
    end
    if not argument.fields then return end
    local known = {}
    for _, field in ipairs(argument.fields) do
        known[#known + 1] = field.name
        known[field.name] = field
        if field.required and value[field.name] == nil then
            error(("%s: %s.%s is missing"):format(name, argument.name, field.name), 3)
        end
    end
    for key, member in pairs(value) do
        local field = known[key]
        if not field then
            error(("%s: %s has no field '%s'%s"):format(name, argument.name, tostring(key),
                nearest.hint(tostring(key), known)), 3)
        elseif type(member) ~= field.type then
            error(("%s: %s.%s must be a %s, not %s"):format(name, argument.name, key, field.type, type(member)), 3)
        end
    end
end

local function checked(description, fn)
    local name = "lattice." .. description.name
    local arguments = description.args
    return function(...)
        local given = select("#", ...)
        if given > #arguments then
            error(("%s takes %d argument%s, not %d"):format(name, #arguments, #arguments == 1 and "" or "s", given), 2)
        end
        for index, argument in ipairs(arguments) do
            check(name, argument, (select(index, ...)))
        end
        return fn(...)
    end
end

-- Returns the library for one run of a file of that kind ("plugins"). run.entropy is text of hex digits.
function library.new(files, run)
    local functions, names = {}, {}
    for _, description in ipairs(api.functions) do
        if description.files == files then
            names[#names + 1] = description.name
            functions[description.name] = checked(description, makers[description.name](run))
        end
    end
    return setmetatable(functions, strict.metatable("lattice", names))
end

return library
