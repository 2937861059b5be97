-- The policies that programs are made of: what their functions are, what these are handed, and how they are asked. All
-- of it comes from the description of the API, so that a field that it gets is generated, too.

local api = require "api.api"
local placement = require "lib.placement"
local ruling = require "lib.ruling"

local kinds = {}

-- As the generator calls what a field holds.
local KINDS = { integer = "int", number = "float", boolean = "bool", string = "text", ["string|nil"] = "opt",
    ["table<string, string>"] = "map" }
-- As a program does.
local TYPES = { int = "I", float = "F", bool = "B", text = "S", opt = "S", map = "map" }

local objects, decisions = {}, {}
for _, object in ipairs(api.objects) do objects[object.name] = object end
for _, decision in ipairs(api.decisions) do decisions[decision.name] = decision end

-- A policy by its name and its functions. Of it are
--   args      {name, object} of what a function is handed
--   fields    paths by what they hold, as a source has them ("node.labels"); uniform: those that are no node's
--   paths     the same by type, as a program has them ("applicant.labels"); uniform_paths
local function kind(name, functions, answer)
    local self = { name = name, file = name .. ".lua", functions = functions, answer = answer, args = {},
        fields = {}, uniform = {}, paths = {}, uniform_paths = {} }
    for t, type in pairs(TYPES) do
        self.fields[t], self.uniform[t], self.paths[type], self.uniform_paths[type] = {}, {}, {}, {}
    end
    for index, arg in ipairs(decisions[functions[1]].args) do
        local object = objects[arg.type]
        self.args[index] = { name = arg.name, object = object }
        for _, field in ipairs(object.fields) do
            local t = KINDS[field.type]
            local source, path = arg.name .. "." .. field.name, object.name .. "." .. field.name
            table.insert(self.fields[t], source)
            table.insert(self.paths[TYPES[t]], path)
            if object.name ~= "node" then
                table.insert(self.uniform[t], source)
                table.insert(self.uniform_paths[TYPES[t]], path)
            end
        end
    end
    kinds[name] = self
end

kind("placement", { "filter", "score" }, function(file, globals, ...)
    local answer = placement.answer(file, globals, ...)
    return answer.ok and answer.score or answer.reason
end)

local function ruled(name)
    return function(file, globals, ...)
        local answer = ruling.answer(file, name, globals[name], ...)
        if answer.verdict == "ask" then return { asks = answer.reason or "" } end
        return answer.verdict == "accept" and 0.0 or answer.reason or ""
    end
end

kind("admission", { "admit" }, ruled "admit")
kind("approval", { "approve" }, ruled "approve")

kinds.RULINGS = { kinds.admission, kinds.approval }

return kinds
