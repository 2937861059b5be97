-- Parameters of a workload: what a user gave, checked against a plugin's manifest, with defaults filled in.
--
-- A command line can say text alone, and a list as a text that is repeated. So text is also taken where it
-- reads as the wanted type. The values that come out have exactly the manifest's type.

local errors = require "lib.errors"
local nearest = require "lib.nearest"
local strict = require "lib.strict"

local params = {}

local SIZE_UNITS = { [""] = 1, k = 1 << 10, m = 1 << 20, g = 1 << 30, t = 1 << 40 }

local function to_number(value)
    if type(value) == "string" and value:match("^%-?%d+%.?%d*$") then return tonumber(value) end
    return type(value) == "number" and value or nil
end

local function to_map(value)
    if type(value) == "string" then value = { value } end
    if type(value) ~= "table" then return nil end
    local map = {}
    for key, item in pairs(value) do
        if type(item) ~= "string" then return nil end
        if type(key) == "number" then
            local name, text = item:match("^([^=]+)=(.*)$")
            if not name then return nil end
            map[name] = text
        else
            map[key] = item
        end
    end
    return map
end

local function to_list(value)
    if type(value) == "string" then return { value } end
    if type(value) ~= "table" then return nil end
    local list = {}
    for key, item in pairs(value) do
        if type(key) ~= "number" or type(item) ~= "string" then return nil end
        list[key] = item
    end
    return list
end

local function to_text(value)
    if math.type(value) then return tostring(math.tointeger(value) or value) end
    return type(value) == "string" and value or nil
end

-- By type: what a value becomes (nil when it cannot), and how the type is called in a sentence.
local readers = {
    text = { to_text, "text" },
    secret = { to_text, "text" },
    number = { function(value) return to_number(value) end, "a number" },
    integer = { function(value) return math.tointeger(to_number(value)) end, "a whole number" },
    boolean = {
        function(value)
            if value == "true" then return true elseif value == "false" then return false end
            if type(value) == "boolean" then return value end
        end,
        "true or false",
    },
    size = {
        function(value)
            local digits, unit = tostring(value):lower():match("^(%d+%.?%d*)([kmgt]?)i?b?$")
            if type(value) == "boolean" or not digits then return nil end
            return math.tointeger(tonumber(digits) * SIZE_UNITS[unit] // 1)
        end,
        "a size such as 256m or 1g",
    },
    list = { to_list, "an array of text" },
    map = { to_map, "an object of text, or texts of the form NAME=VALUE" },
}

-- What min and max are about: the number itself, or how long a text or how full a list is.
local function magnitude(value)
    if type(value) == "number" then return value, "" end
    if type(value) == "string" then return #value, " characters" end
    local count = 0
    for _ in pairs(value) do count = count + 1 end
    return count, " items"
end

local function check_bounds(field, param, value)
    if type(value) == "boolean" then return end
    local size, unit = magnitude(value)
    if param.min and size < param.min then
        errors.refuse(field, ("%s must be at least %s%s."):format(field, to_text(param.min), unit), param.hint)
    elseif param.max and size > param.max then
        errors.refuse(field, ("%s must be at most %s%s."):format(field, to_text(param.max), unit), param.hint)
    end
end

local function check_text(field, param, value)
    if type(value) ~= "string" then return end
    if param.pattern and not value:match("^" .. param.pattern .. "$") then
        errors.refuse(field, ("'%s' is not allowed as %s."):format(value:sub(1, 80), field), param.hint)
    end
    if param.one_of then
        for _, allowed in ipairs(param.one_of) do
            if value == allowed then return end
        end
        errors.refuse(field, ("%s cannot be '%s'%s"):format(field, value:sub(1, 80), nearest.hint(value, param.one_of)),
            "Possible are " .. table.concat(param.one_of, ", ") .. ".")
    end
end

local function read(name, param, value)
    local field = "params." .. name
    local reader = readers[param.type]
    local converted = reader[1](value)
    if converted == nil then
        errors.refuse(field, ("%s must be %s."):format(field, reader[2]), param.hint or param.help)
    end
    check_text(field, param, converted)
    check_bounds(field, param, converted)
    return converted
end

-- Returns the values for a manifest's params, of which reading an undeclared one is an error. Raises a
-- problem that names the field for whatever the user may not say.
function params.check(manifest, given)
    local names, optional, values = {}, {}, {}
    for name in pairs(manifest.params) do
        names[#names + 1] = name
        optional[name] = true
    end
    table.sort(names)
    for name in pairs(given or {}) do
        if not manifest.params[name] then
            local hint = #names == 0 and "It takes no parameters." or
                ("%s takes %s."):format(manifest.name, table.concat(names, ", "))
            errors.refuse("params." .. name, ("%s has no parameter '%s'%s"):format(manifest.name, name:sub(1, 80),
                nearest.hint(name, names)), hint)
        end
    end
    for _, name in ipairs(names) do
        local param = manifest.params[name]
        local value = given and given[name]
        if value == nil then value = param.default end
        if value ~= nil then
            values[name] = read(name, param, value)
        elseif param.required then
            local sentence = ("%s needs the parameter '%s': %s."):format(manifest.name, name, param.help)
            errors.refuse("params." .. name, sentence, param.hint)
        end
    end
    return setmetatable(values, strict.metatable("spec.params", names, optional))
end

return params
