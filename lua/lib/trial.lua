-- Runs a policy's own tests: the functions `test_*` of its file, at every load. A test that fails refuses the file.
--
-- Beside what a file has anyhow, a test has a maker for each argument of the policy's decisions, of the same name:
-- node{ labels = { zone = "a" } } is the API's example of a node with that changed.

local api = require "api.api"
local errors = require "lib.errors"
local nearest = require "lib.nearest"
local sandbox = require "lib.sandbox"
local strict = require "lib.strict"

local trial = {}

local descriptions = {}
for _, description in ipairs(api.objects) do descriptions[description.name] = description end

-- Whether a value is what the description says of a field.
local function fits(field, value)
    local wanted = field.type:gsub("|nil$", ""):gsub("^table.*", "table")
    if wanted == "integer" then return math.tointeger(value) ~= nil and type(value) == "number" end
    return wanted == type(value) or wanted == "any"
end

-- "an integer", "a number or nil"
local function a_kind(name)
    return (name:find "^[aeiou]" and "an " or "a ") .. name:gsub("|", " or ")
end

local function maker(argument)
    local description = descriptions[argument.type]
    local as_object = strict.object { name = argument.name, fields = description.fields }
    local names, known = {}, {}
    for index, field in ipairs(description.fields) do
        names[index] = field.name
        known[field.name] = field
    end
    return function(given)
        local object = strict.example(description)
        for name, value in pairs(given or {}) do
            if not known[name] then
                error(("%s has no field '%s'%s"):format(argument.name, tostring(name),
                    nearest.hint(tostring(name), names)), 2)
            elseif not fits(known[name], value) then
                error(("%s.%s takes %s, not %s"):format(argument.name, name, a_kind(known[name].type),
                    a_kind(math.type(value) or type(value))), 2)
            end
            object[name] = value
        end
        return as_object(object)
    end
end

-- Runs one test; returns nil, or the problem with the test's name in it.
local function failure(file, name, fn)
    local ok, problem = errors.catch("policy", file, fn)
    if ok then return nil end
    problem.sentence = problem.sentence:gsub("^([^ ]+): ", function(place)
        return ("%s: %s fails: "):format(place, name)
    end)
    return problem
end

-- Runs the tests of a compiled file, in order of their names; args: of its decisions. Raises what the first of them
-- that fails raised, with its line, and says which others fail. Returns their names. begins(name) is told each of them
-- before it runs: one that does not end is stopped with this process, and only whoever was told knows which.
function trial.run(file, chunk, args, begins)
    local makers = {}
    for _, argument in ipairs(args) do makers[argument.name] = maker(argument) end
    local globals = sandbox.run(chunk, makers)
    local names = {}
    for name, value in pairs(globals) do
        if type(name) == "string" and name:find "^test_" and type(value) == "function" then names[#names + 1] = name end
    end
    table.sort(names)
    local first, others = nil, {}
    for _, name in ipairs(names) do
        begins(name)
        local problem = failure(file, name, globals[name])
        if problem and first then others[#others + 1] = name end
        first = first or problem
    end
    if first then
        if #others > 0 then first.hint = ("These fail, too: %s."):format(table.concat(others, ", ")) end
        error(first, 0)
    end
    return names
end

return trial
