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

-- Returns a function that makes a decoded table into the described object, in place.
function strict.object(description)
    local metatable = strict.metatable(description.name, names_of(description.fields))
    local numbers = {}
    for _, field in ipairs(description.fields) do
        if field.type == "number" then numbers[#numbers + 1] = field.name end
    end
    return function(object)
        -- JSON does not tell 2 from 2.0, and Lua does.
        for _, name in ipairs(numbers) do object[name] = object[name] + 0.0 end
        return setmetatable(object, metatable)
    end
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
