-- Policies that answer one question with one word: admission (may it be deployed?) and approval (may it join?).

local api = require "api.api"
local reasons = require "lib.reason"
local strict = require "lib.strict"

local ruling = {}

-- What a function of each may return, as what the console reads.
local verdicts = {}

function verdicts.admit(first)
    if first == true then return "accept" end
    if first == false or first == nil then return "reject" end
end

function verdicts.approve(first)
    if first == "accept" or first == "reject" or first == "ask" then return first end
end

-- What they return, as errors say it.
ruling.RETURNS = {
    admit = "true, or false and a reason",
    approve = '"accept", "reject" and a reason, or "ask"',
}

local function by_name(list)
    local named = {}
    for _, entry in ipairs(list) do named[entry.name] = entry end
    return named
end

local objects, decisions = by_name(api.objects), by_name(api.decisions)

-- Raises an error at the line where the function begins.
local function blame(file, fn, format, ...)
    local line = debug.getinfo(fn, "S").linedefined
    error(("%s:%d: %s"):format(file, line, format:format(...)), 0)
end

-- A value as an error shows it: `"maybe"`, `a table`.
function ruling.shown(value)
    if type(value) == "string" then return ('"%s"'):format(reasons.told(value:sub(1, 40)):gsub("%c", " ")) end
    return (type(value) == "boolean" or type(value) == "nil") and tostring(value) or "a " .. type(value)
end

-- Calls the function of that name and returns its answer {verdict, reason}. Raises what it raises, or that it returned
-- something else than it should.
function ruling.answer(file, name, fn, ...)
    local first, reason = fn(...)
    local verdict = verdicts[name](first)
    if not verdict then
        blame(file, fn, "%s returned %s; it returns %s", name, ruling.shown(first), ruling.RETURNS[name])
    end
    if type(reason) ~= "string" and reason ~= nil then
        blame(file, fn, "%s returned %s as reason; a reason is text", name, ruling.shown(reason))
    end
    return { verdict = verdict, reason = reason and reasons.told(reason) or nil }
end

-- Raises unless a question has what is described and nothing else: authors may rely on it.
local function complete(description, object)
    local known = {}
    for _, field in ipairs(description.fields) do
        known[field.name] = true
        if object[field.name] == nil then
            error(("the console does not say %s.%s"):format(description.name, field.name), 0)
        end
    end
    for name in pairs(object) do
        if not known[name] then error(("%s.%s is not described"):format(description.name, tostring(name)), 0) end
    end
    return object
end

-- Returns what load and ask need of the policy whose function is `name`: check(file, globals), and decide(file,
-- globals, input), which answers {OBJECT = {...}, ...} with {verdict = "accept", "reject" or "ask", reason}.
function ruling.of(name)
    local arguments, makers = decisions[name].args, {}
    for index, argument in ipairs(arguments) do
        makers[index] = strict.object { name = argument.name, fields = objects[argument.type].fields }
    end

    local policy = { args = arguments }

    function policy.decide(file, globals, input)
        local values = {}
        for index, argument in ipairs(arguments) do
            values[index] = makers[index](complete(objects[argument.type], input[argument.type]))
        end
        return ruling.answer(file, name, globals[name], table.unpack(values, 1, #arguments))
    end

    -- Runs it on the API's examples, so that a misspelled field is found when the file is saved.
    function policy.check(file, globals)
        local names, input = {}, {}
        for index, argument in ipairs(arguments) do
            names[index] = argument.name
            input[argument.type] = strict.example(objects[argument.type])
        end
        if type(globals[name]) ~= "function" then
            error(("there is no function %s(%s)"):format(name, table.concat(names, ", ")), 0)
        end
        policy.decide(file, globals, input)
    end

    return policy
end

return ruling
