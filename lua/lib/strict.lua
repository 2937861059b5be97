-- Tables in which reading what is not there is an error that names the nearest, not a silent nil.

local nearest = require "lib.nearest"

local strict = {}

local function names_of(list)
    local names = {}
    for _, entry in ipairs(list) do names[#names + 1] = entry.name end
    return names
end

-- Returns a metatable for tables whose members are `names`; `what` is what the reader calls them.
-- `optional` is a set of names that may be absent.
function strict.metatable(what, names, optional)
    return {
        __metatable = false,
        __index = function(_, name)
            if optional and optional[name] then return nil end
            local text = type(name) == "string" and name or type(name)
            error(("%s has no field '%s'%s"):format(what, text, nearest.hint(text, names)), 2)
        end,
        __newindex = function(_, name)
            error(("%s is read only: '%s' cannot be set"):format(what, tostring(name)), 2)
        end,
    }
end

local LARGEST = 2.0 ^ 63

-- JSON does not tell 2 from 2.0, and Lua does; nor does it say the largest integer to the last digit.
local conversions = {
    number = function(value) return value * 1.0 end, -- and keeps the sign of a zero, as columns do
    integer = function(value)
        return math.tointeger(value) or (value >= LARGEST and math.maxinteger) or math.mininteger
    end,
}

-- Returns a function that makes a decoded table into the described object, in place. A field that may be nil has a type
-- that says so: "string|nil".
function strict.object(description)
    local converted, optional = {}, {}
    for _, field in ipairs(description.fields) do
        converted[field.name] = conversions[field.type]
        optional[field.name] = field.type:find "|nil$" and true or nil
    end
    local metatable = strict.metatable(description.name, names_of(description.fields), optional)
    return function(object)
        for name, convert in pairs(converted) do object[name] = object[name] and convert(object[name]) end
        return setmetatable(object, metatable)
    end
end

-- Returns what reading an unknown field of the described object does, and what setting one does.
function strict.handlers(description)
    local metatable = strict.metatable(description.name, names_of(description.fields))
    return metatable.__index, metatable.__newindex
end

-- Returns an object with the examples of its description as values. Tables are copies: who gets them may write to them.
function strict.example(description)
    local object = {}
    for _, field in ipairs(description.fields) do
        local value = field.example
        object[field.name] = value
        if type(value) == "table" then
            object[field.name] = {}
            for key, member in pairs(value) do object[field.name][key] = member end
        end
    end
    return object
end

return strict
