-- Manifests of plugins (plugin.json): what a plugin is called, which API it speaks, what it takes.

local api = require "api.api"
local nearest = require "lib.nearest"

local manifest = {}

local MEMBERS = { "api", "name", "title", "version", "description", "grants", "params" }
local PARAM_MEMBERS = {
    "type", "default", "required", "pattern", "one_of", "min", "max", "help", "hint",
}
local PARAM_TYPES = { "text", "integer", "number", "boolean", "size", "list", "map", "secret" }

local function fail(format, ...)
    error(format:format(...), 0)
end

local function contains(list, value)
    for _, item in ipairs(list) do
        if item == value then return true end
    end
    return false
end

local function only(what, object, members)
    for key in pairs(object) do
        if not contains(members, key) then
            fail("%s has no member '%s'%s", what, tostring(key), nearest.hint(tostring(key), members))
        end
    end
end

local function check_param(name, param)
    local what = ("params.%s"):format(name)
    if type(param) ~= "table" then fail("%s must be an object", what) end
    only(what, param, PARAM_MEMBERS)
    if not contains(PARAM_TYPES, param.type) then
        fail("%s.type must be one of %s", what, table.concat(PARAM_TYPES, ", "))
    end
    if type(param.help) ~= "string" or param.help == "" then fail("%s.help is missing", what) end
    if param.required and param.default ~= nil then fail("%s is required and has a default", what) end
    if param.pattern ~= nil and not pcall(string.find, "", param.pattern) then
        fail("%s.pattern is not a Lua pattern", what)
    end
    for _, bound in ipairs { "min", "max" } do
        if param[bound] ~= nil and type(param[bound]) ~= "number" then fail("%s.%s must be a number", what, bound) end
    end
end

-- Checks a decoded manifest of a plugin that is installed as `name`; raises what is wrong with it.
function manifest.check(name, object)
    if type(object) ~= "table" then fail("plugin.json must be an object") end
    if object.api ~= api.version then
        fail("plugin.json speaks version %s of the plugin API; this console speaks version %d",
            tostring(object.api), api.version)
    end
    only("plugin.json", object, MEMBERS)
    for _, member in ipairs { "name", "title", "version", "description" } do
        if type(object[member]) ~= "string" or object[member] == "" then fail("plugin.json: %s is missing", member) end
    end
    if object.name ~= name then
        fail("plugin.json says name '%s', and its folder is called '%s'", object.name, name)
    end
    if type(object.grants) ~= "table" then fail("plugin.json: grants must be an array") end
    if object.grants[1] ~= nil then
        fail("plugin.json asks for the grant '%s', and there is no such grant", tostring(object.grants[1]))
    end
    if type(object.params) ~= "table" then fail("plugin.json: params must be an object") end
    for param_name, param in pairs(object.params) do check_param(param_name, param) end
end

return manifest
