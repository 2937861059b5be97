-- Dry runs of `deploy` and `scale`: what the console says would come of it.

local explain = require "cli.explain"
local problem = require "cli.problem"
local units = require "cli.units"

local NO_NODE_STATUS = 7 -- of no_node in the table of errors

-- "2 of 3 instances would be placed", and what becomes of those that stand.
local function summary(answer)
    local parts = {}
    if answer.wanted > 0 then
        parts[1] = ("%d of %s would be placed"):format(answer.placed, units.count(answer.wanted, "instance"))
    end
    if answer.replaced > 0 then
        parts[#parts + 1] = ("%s would be replaced"):format(units.count(answer.replaced, "instance"))
    end
    if answer.removed > 0 then
        parts[#parts + 1] = ("%s would go"):format(units.count(answer.removed, "instance"))
    end
    if #parts == 0 then parts[1] = "nothing would change" end
    return table.concat(parts, ", ") .. "; nothing was changed"
end

-- Sends what it is a dry run of, and says where it would go; ends with the exit status of no_node where not all of
-- it would.
return function(context, options, path, body)
    local answer, text = context:console():call("POST", path .. "?dry_run=true", body)
    if options.json then
        context.out:line(text)
    else
        local nodes = {}
        for index, node in ipairs(answer.nodes or {}) do
            local times = node.instances > 1 and " x" .. node.instances or ""
            nodes[index] = units.clean(node.name or node.node) .. times
        end
        local receipt = type(answer.receipt) == "table" and answer.receipt or {}
        context.out:fields({
            { "dry run", summary(answer) },
            { "on", table.concat(nodes, ", ") },
            { "decision", answer.would_place and "" or units.clean(answer.reason or "") },
            { "fix", type(receipt.fix) == "string" and units.clean(receipt.fix) or "" },
            { "policy", answer.wanted > 0 and explain.decider(answer) or "" },
            { "fallback", type(receipt.fallback) == "string" and units.clean(receipt.fallback) or "" },
        }, 0)
        explain.receipt(context, answer.receipt, false, true)
    end
    if not answer.would_place then problem.leave(NO_NODE_STATUS) end
end
