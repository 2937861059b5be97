-- Decisions as people read them: what was decided, why not elsewhere, what would help. For explain, node explain and
-- deploy --dry-run.

local problem = require "cli.problem"
local units = require "cli.units"
local workload = require "cli.workload"

local explain = {}

local NODES_SHOWN = 10 -- without --all
local RULES_SHOWN = 12
local DECISIONS_SHOWN = 20
local TENSES = { never = "never", not_now = "not now", when = "later" }

local function text_of(value)
    return type(value) == "string" and units.clean(value) or ""
end

local function tense_of(one)
    if one.tense == "when" and type(one.when) == "string" then return "from " .. units.moment(one.when) end
    return TENSES[one.tense] or text_of(one.tense)
end

local function age(context, time)
    local at = type(time) == "string" and context.system.time(time)
    return at and units.age((context.system.now()) - at) or ""
end

-- "a", ..., "z", "a2", ...
local function letter(index)
    local round = (index - 1) // 26
    return string.char(97 + (index - 1) % 26) .. (round > 0 and tostring(round + 1) or "")
end

local function number_of(value)
    return type(value) == "number" and ("%.5g"):format(value) or ""
end

-- "a 300 + b 200": the terms of a score that are not 0.
local function terms_of(node)
    local parts = {}
    for index, value in ipairs(type(node.terms) == "table" and node.terms or {}) do
        if value ~= 0 then parts[#parts + 1] = letter(index) .. " " .. number_of(value) end
    end
    return table.concat(parts, " + ")
end

local function rule_of(one)
    local line = type(one.line) == "number" and (" line %d"):format(one.line) or ""
    return text_of(one.rule) .. line
end

-- Who decided: "placement 3, by alice".
function explain.decider(item)
    local by = type(item.decided_by) == "table" and text_of(item.decided_by.author) or ""
    return text_of(item.policy) .. (by ~= "" and ", by " .. by or "")
end

local function show_rules(context, receipt)
    local rules = type(receipt.rules) == "table" and receipt.rules or {}
    local rows = {}
    for index, rule in ipairs(rules) do
        if index > RULES_SHOWN then break end
        rows[index] = { tostring(rule.nodes), rule_of(rule), tense_of(rule), text_of(rule.reason) }
    end
    if #rows == 0 then return end
    context.out:line("")
    context.out:table({ "NODES", "RULE", "WHEN", "REASON" }, rows)
end

local function show_terms(context, receipt)
    for index, term in ipairs(type(receipt.terms) == "table" and receipt.terms or {}) do
        if index == 1 then context.out:line("") end
        local line = math.tointeger(term.line) or 0 -- the built-in placement has none
        context.out:line(("%s = %s"):format(letter(index), text_of(term.text))
            .. (line > 0 and (" (line %d)"):format(line) or ""))
    end
end

-- Shows a receipt: counts by rule, then nodes, those first that say most. `final`: there is no --all for the rest.
function explain.receipt(context, receipt, all, final)
    if type(receipt) ~= "table" then return end
    local nodes, rows, has_terms = receipt.nodes or {}, {}, false
    local total = type(receipt.counts) == "table" and receipt.counts.nodes or #nodes
    if total > NODES_SHOWN then show_rules(context, receipt) end
    for index, node in ipairs(nodes) do
        if index > NODES_SHOWN and not all then break end
        local verdict = text_of(node.verdict)
        if verdict == "refused" and tense_of(node) ~= "" then verdict = "refused, " .. tense_of(node) end
        if (node.instances or 1) > 1 then verdict = ("%s %d times"):format(verdict, node.instances) end
        has_terms = has_terms or terms_of(node) ~= ""
        rows[index] = {
            text_of(node.name), verdict, number_of(node.score), terms_of(node), rule_of(node),
            text_of(node.reason),
        }
    end
    if #rows == 0 then return end
    context.out:line("")
    context.out:table({ "NODE", "VERDICT", "SCORE", "TERMS", "RULE", "REASON" }, rows)
    if #rows < total then context.out:note(("%d more nodes%s"):format(total - #rows, final and "" or ": --all")) end
    if has_terms then show_terms(context, receipt) end
end

-- Reads the rest of a receipt's nodes into it.
local function read_all(context, item)
    local path = "/api/v1/evaluations/" .. context.system.escape(item.id)
    local whole = context:console():get(path)
    local receipt = whole.receipt
    while type(receipt) == "table" and type(receipt.next) == "number" do
        local page = context:console():get(("%s?cursor=%d"):format(path, receipt.next))
        if type(page.receipt) ~= "table" then break end
        table.move(page.receipt.nodes, 1, #page.receipt.nodes, #receipt.nodes + 1, receipt.nodes)
        receipt.next = page.receipt.next
    end
    return whole
end

local function workload_explain(context, options, operands)
    local answer, text = context:console():get(workload.path(context.system, operands.NAME, "evaluations"))
    local items = answer.items or {}
    local newest = items[#items]
    if newest and options.all then newest = read_all(context, newest) end
    if options.json then
        local raw = problem.check(context.system.items(text, "items"))
        if newest and options.all then
            context:print_json(newest)
        else
            context.out:line(raw[#raw] or "null")
        end
        return
    end
    if not newest then
        context.out:note(("Nothing was decided about '%s' yet."):format(operands.NAME))
        return
    end
    local receipt = type(newest.receipt) == "table" and newest.receipt or {}
    context.out:fields({
        { "decision", text_of(newest.reason or newest.status) },
        { "fix", text_of(receipt.fix) },
        { "because", (text_of(newest.trigger):gsub("_", " ")) },
        { "policy", explain.decider(newest) },
        { "when", ("%s (%s ago)"):format(units.moment(newest.created_at), age(context, newest.created_at)) },
        { "fallback", text_of(receipt.fallback) },
    }, 0)
    explain.receipt(context, newest.receipt, options.all)
end

-- ---- node explain

local function times(count)
    return units.count(count or 0, "decision")
end

local function node_explain(context, options, operands)
    local path = ("/api/v1/nodes/%s/decisions"):format(context.system.escape(operands.NODE))
    local answer, text = context:console():get(path)
    if options.json then
        context.out:line(text)
        return
    end
    context.out:fields({
        { "node", text_of(answer.node) },
        { "looked at", ("by %d of the last %s%s"):format(answer.looked_at or 0, times(answer.read),
            type(answer.since) == "string" and ", since " .. units.moment(answer.since) or "") },
        { "taken", tostring(answer.taken or 0) },
        { "possible", (answer.possible or 0) > 0 and ("%d, another was better"):format(answer.possible) or "0" },
        { "refused", tostring(answer.refused or 0) },
    }, 0)
    local rows = {}
    for index, rule in ipairs(answer.rules or {}) do
        rows[index] = { tostring(rule.times), text_of(rule.rule), tense_of(rule), text_of(rule.reason) }
    end
    if #rows > 0 then
        context.out:line("")
        context.out:table({ "TIMES", "RULE", "WHEN", "LAST REASON" }, rows)
    end
    rows = {}
    for index, item in ipairs(answer.items or {}) do
        if index > DECISIONS_SHOWN and not options.all then break end
        local score = number_of(item.score)
        if type(item.taken_score) == "number" then score = score .. " < " .. number_of(item.taken_score) end
        rows[index] = {
            age(context, item.at), text_of(item.workload), text_of(item.verdict), score, rule_of(item),
            text_of(item.reason),
        }
    end
    if #rows == 0 then
        context.out:note("No decision has looked at it lately.")
        return
    end
    context.out:line("")
    context.out:table({ "AGO", "WORKLOAD", "VERDICT", "SCORE", "RULE", "REASON" }, rows)
    if #rows < #answer.items then context.out:note(("%d more: --all"):format(#answer.items - #rows)) end
end

explain.commands = {
    {
        name = "explain",
        section = "Looking at workloads",
        summary = "Show why a workload is where it is, or nowhere, node by node, and what would help",
        operands = { { name = "NAME" } },
        flags = { { name = "all", help = "every node, however many there are" } },
        details = [[
Of many nodes the rules that refused them come first, then the nodes that were taken, possible, and nearest to be.
Refused never: as long as the node is what it is; not now: until something is given back there, or it is well again;
from a time on: when its owner's hours begin.]],
        run = workload_explain,
    },
    {
        name = "node explain",
        section = "Nodes",
        summary = "Show what was decided about a node lately: what it took, what was refused there and why",
        operands = { { name = "NODE" } },
        flags = { { name = "all", help = "every decision that was read" } },
        details = "Of others' workloads only the rule is told; an administrator sees all.",
        run = node_explain,
    },
}

return explain
