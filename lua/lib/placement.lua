-- Runs a placement policy over the rows that the console shares.

local api = require "api.api"
local reasons = require "lib.reason"
local strict = require "lib.strict"

local placement = {
    args = { { name = "node", type = "node" }, { name = "workload", type = "workload" } },
}

local descriptions = {}
for _, description in ipairs(api.objects) do descriptions[description.name] = description end
local as_node = strict.object(descriptions.node)
local as_workload = strict.object(descriptions.workload)
local read_unknown, set_field = strict.handlers(descriptions.node)

-- Raises an error at the line where a decision function begins.
local function blame(file, fn, format, ...)
    local line = debug.getinfo(fn, "S").linedefined
    error(("%s:%d: %s"):format(file, line, format:format(...)), 0)
end

-- Returns why the file's filter refuses a node; nil when it does not.
local function refusal(file, filter, node, workload)
    local verdict, reason = filter(node, workload)
    if type(verdict) ~= "boolean" and verdict ~= nil then
        blame(file, filter, "filter returned a %s; it returns true, or false and a reason", type(verdict))
    end
    if type(reason) ~= "string" and reason ~= nil then
        blame(file, filter, "filter returned a %s as reason; a reason is text", type(reason))
    end
    if not verdict then return reasons.told(reason or "refused by the filter of " .. file) end
end

local function score_of(file, score, node, workload)
    local value = score(node, workload)
    if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge then
        blame(file, score, "score returned a %s; it returns a finite number",
            type(value) == "number" and "number that is not finite" or type(value))
    end
    return value
end

-- Decides about one node: {ok = true, score = n} or {ok = false, reason = text}. Raises what a function of the file
-- raises, or that it returned something else than it should.
function placement.answer(file, globals, node, workload)
    local reason = globals.filter and refusal(file, globals.filter, node, workload)
    if reason then return { ok = false, reason = reason } end
    return { ok = true, score = globals.score and score_of(file, globals.score, node, workload) or 0.0 }
end

-- Decides about the rows (lua/host/rows.h), where the answers go as well. Raises what answer does.
function placement.rows(file, globals, rows)
    local filter, score = globals.filter, globals.score
    local workload = as_workload(rows.begin(read_unknown, set_field))
    for node in rows.next do
        local reason = filter and refusal(file, filter, node, workload)
        if reason then
            rows.refuse(reason)
        else
            rows.score(score and score_of(file, score, node, workload) or 0.0)
        end
    end
    return {}
end

-- Checks what a file defined, and runs it on one node and workload made of the API's examples, so that a
-- misspelled field is found when the file is saved and not at the next deploy.
function placement.check(file, globals)
    if globals.filter == nil and globals.score == nil then
        error("it defines neither filter(node, workload) nor score(node, workload)", 0)
    end
    for _, name in ipairs { "filter", "score" } do
        if globals[name] ~= nil and type(globals[name]) ~= "function" then
            error(("%s: %s is a %s, not a function"):format(file, name, type(globals[name])), 0)
        end
    end
    local node = as_node(strict.example(descriptions.node))
    local workload = as_workload(strict.example(descriptions.workload))
    if globals.filter then refusal(file, globals.filter, node, workload) end
    if globals.score then score_of(file, globals.score, node, workload) end
end

return placement
