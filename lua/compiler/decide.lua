-- What the decisions of a policy return: filter, admit and approve, as rules; score, as a number with its terms.
--
-- A rule is a place where a row can be refused, with what would have had to hold there: `return a and b` is two rules,
-- and so is `if a or b then return false end`. Of the rules of a program at most one holds for a row. A rule of approve
-- may be one that leaves it to a person.

local ruling = require "lib.ruling"
local ssa = require "compiler.ssa"
local value = require "compiler.value"
local walker = require "compiler.walker"
require "compiler.statements"

local decide = {}

local TRUE, FALSE = ssa.TRUE, ssa.FALSE

local RULES_MAX, TERMS_MAX = 256, 64

-- ---- what would have had to hold

local OPPOSITE = { ["<"] = ">=", [">="] = "<", [">"] = "<=", ["<="] = ">", ["=="] = "~=", ["~="] = "==" }

-- The text of a requirement: that `node` holds, or that it does not.
local function requirement(self, node, holds)
    if holds then return self:text(node) end
    if node.k == "Binary" and OPPOSITE[node.op] then
        return ("%s %s %s"):format(self:text(node.a), OPPOSITE[node.op], self:text(node.b))
    elseif node.k == "Unary" and node.op == "not" then
        return self:text(node.a)
    end
    local simple = node.k ~= "Binary" and node.k ~= "And" and node.k ~= "Or"
    return (simple and "not %s" or "not (%s)"):format(self:text(node))
end

-- Takes a condition apart: {cond, line, text} for each part that alone makes it what it is (`as`: true or false), in
-- the order in which they are looked at. cond: where that part is so.
function walker:causes(node, as)
    local program, truths = self.program, self.truths
    local truth = truths[node]
    if not truth then return {} end -- what was before it was enough
    if node.k == "Paren" then
        truths[node.a] = truth
        return self:causes(node.a, as)
    elseif node.k == "Unary" and node.op == "not" then
        truths[node.a] = program:lnot(truth)
        return self:causes(node.a, not as)
    elseif (node.k == "And" and not as) or (node.k == "Or" and as) then
        local left, right = self:causes(node.a, as), self:causes(node.b, as)
        return table.move(right, 1, #right, #left + 1, left)
    end
    return { { cond = as and truth or program:lnot(truth), line = node.line, text = requirement(self, node, not as) } }
end

-- ---- have and need

local COMPARES = { lt_i = "<", le_i = "<=", eq_i = "==", lt_f = "<", le_f = "<=", eq_f = "==", lt_if = "<",
    le_if = "<=", lt_fi = "<", le_fi = "<=", eq_if = "==", eq_s = "==" }
local PLACES = { find_s = true, match_at = true } -- 0 is nowhere: no amount
local TURNED = { ["<"] = ">", [">"] = "<", ["<="] = ">=", [">="] = "<=", ["=="] = "==", ["~="] = "~=" }

-- Adds have, need and compare to a rule whose requirement is that `cond` does not hold, where that is one comparison:
-- have COMPARE need is what would have had to hold.
local function measure(program, rule, cond)
    local op, holds = program.ops[cond], false
    if op[1] == "not" then op, holds = program.ops[op[2]], true end
    local compare = COMPARES[op[1]]
    if not compare then return end
    local have, need = op[2], op[3]
    if PLACES[program.ops[have][1]] then return end
    if program.ops[need].on == "node" and program.ops[have].on ~= "node" then
        have, need, compare = need, have, TURNED[compare]
    end
    rule.have, rule.need, rule.compare = have, need, holds and compare or OPPOSITE[compare]
end

-- ---- filter, admit, approve

-- Adds the rules for a place where `refused` holds, with one reason (parts, or nil). asks: true where they leave it to
-- a person, else nil.
local function add_rules(self, rules, refused, node, causes, reason, asks)
    local program, left = self.program, refused
    local text = node.from and self:text(node) or "it returns nothing"
    if not causes or #causes == 0 then causes = { { cond = TRUE, line = node.line } } end
    for index, cause in ipairs(causes) do
        local when = index == #causes and left or program:land(left, cause.cond)
        left = program:land(left, program:lnot(cause.cond))
        if when ~= FALSE then
            local rule = { when = when, line = cause.line, text = cause.text or text, reason = reason, asks = asks }
            if cause.cond ~= TRUE then measure(program, rule, cause.cond) end
            rules[#rules + 1] = rule
            if #rules > RULES_MAX then
                self.m.refuse(node.line, "it refuses in too many places",
                    "put what belongs together into one condition")
            end
        end
    end
end

local function returns(name)
    return ruling.RETURNS[name] or ruling.RETURNS.admit -- filter's are the same
end

-- Calls say(guard, text) for each text that a verdict can be: of those that are written down, each row has one.
local function each_text(self, name, fn_line, one, say)
    local program, seen = self.program, {}
    local function visit(id)
        if seen[id] then return end
        seen[id] = true
        local op = program.ops[id]
        if op and op.const then
            say(program:land(one.guard, program:eq_s(one.val, id)), program:value(id))
        elseif op and op[1] == "select_s" then
            visit(op[3])
            visit(op[4])
        else
            self.m.refuse(fn_line, ("%s returns a text as its verdict that is not written down"):format(name),
                "return " .. returns(name))
        end
    end
    visit(one.kind == "text" and one.val)
end

-- Calls say(guard, shown) for what an alternative is in an error about `name`: of a ruling its value (lib/ruling.lua).
local function each_shown(self, name, fn_line, one, say)
    if name == "filter" then
        say(one.guard, "a " .. value.type(one))
    elseif one.kind == "bool" then
        say(self.program:land(one.guard, one.val), ruling.shown(true))
        say(self.program:land(one.guard, self.program:lnot(one.val)), ruling.shown(false))
    elseif value.type(one) == "string" then
        each_text(self, name, fn_line, one, function(guard, text) say(guard, ruling.shown(text)) end)
    else
        say(one.guard, one.kind == "nil" and ruling.shown(nil) or "a " .. value.type(one))
    end
end

-- Adds the traps for what is no verdict, and what is no reason.
local function wrong_types(self, name, fn_line, wrong, reason)
    local m, program = self.m, self.program
    for _, one in ipairs(wrong) do
        each_shown(self, name, fn_line, one, function(guard, shown)
            m:trap(guard, fn_line, ("%s returned %s; it returns %s"):format(name, shown, returns(name)))
        end)
    end
    for _, one in ipairs(value.apart(program, reason)) do
        if value.type(one) ~= "string" and one.kind ~= "nil" then
            each_shown(self, name, fn_line, one, function(guard, shown)
                m:trap(guard, fn_line, ("%s returned %s as reason; a reason is text"):format(name, shown))
            end)
        end
    end
end

-- A text with nothing in it is still a reason.
local function reason_of(program, one)
    if one.kind == "nil" then return nil end
    if one.kind == "made" then return one.val end
    if program:is_const(one.val) then return { program:value(one.val) } end
    return { { val = one.val } }
end

-- Returns where a verdict is to accept, to reject and to ask, and the alternatives of it that are none.
local function read_verdict(self, name, fn_line, verdict)
    local program, wrong = self.program, {}
    if name ~= "approve" then
        for _, one in ipairs(value.apart(program, verdict)) do
            if one.kind ~= "bool" and one.kind ~= "nil" then wrong[#wrong + 1] = one end
        end
        local truth = value.truth(program, verdict)
        return { accept = truth, reject = program:lnot(truth), ask = FALSE }, wrong
    end
    local said = { accept = FALSE, reject = FALSE, ask = FALSE }
    for _, one in ipairs(value.apart(program, verdict)) do
        if value.type(one) == "string" then
            each_text(self, name, fn_line, one, function(guard, text)
                if said[text] then
                    said[text] = program:lor(said[text], guard)
                else
                    wrong[#wrong + 1] = { kind = "text", guard = guard, val = program:text(text) }
                end
            end)
        else
            wrong[#wrong + 1] = one
        end
    end
    return said, wrong
end

local function start(self, fn, args, sink)
    local proto, cells = self:open_function(fn)
    local objects = {}
    for index, arg in ipairs(args) do objects[index] = value.new("object", arg.type) end
    self.why = nil
    self:enter({ line = proto.line }, proto, cells, objects, { sink = sink })
end

local function line_of(self, fn)
    return self.loaded.protos[debug.getinfo(fn, "S").lastlinedefined].line
end

-- Returns the rules by which a function of that name ("filter", "admit", "approve") refuses, and where a row passes.
-- args: the function's, as lua/api has them.
function decide.rules(self, name, fn, args)
    local m, program, rules = self.m, self.program, {}
    local passed = FALSE
    local fn_line = line_of(self, fn)

    start(self, fn, args, function(node, values)
        local reason = values[2] or value.NIL
        local said, wrong = read_verdict(self, name, fn_line, values[1] or value.NIL)
        wrong_types(self, name, fn_line, wrong, reason)
        if m:dead() then return end
        passed = program:lor(passed, program:land(m.path, said.accept))
        local expression = node.values and node.values[1]
        local causes = self.why
        if not program:is_const(said.accept) and expression then
            self.truths[expression] = said.accept
            -- What is a verdict's word has no parts that are true or not.
            causes = name ~= "approve" and self:causes(expression, false) or nil
        end
        for _, word in ipairs { "reject", "ask" } do
            local refused = program:land(m.path, said[word])
            for _, one in ipairs(value.apart(program, reason)) do
                if value.type(one) == "string" or one.kind == "nil" then
                    add_rules(self, rules, program:land(refused, one.guard), node, causes, reason_of(program, one),
                        word == "ask" or nil)
                end
            end
        end
    end)
    return rules, passed
end

-- ---- score

-- Returns the score as a float, its terms, and the line of the function. That it is finite, whoever runs the program
-- looks after. m.path is where it is asked for. args: as of rules.
function decide.score(self, fn, args)
    local m, program = self.m, self.program
    local sites, fn_line = {}, line_of(self, fn)

    self.sums = true
    start(self, fn, args, function(node, values)
        local of = values[1] or value.NIL
        for _, one in ipairs(value.apart(program, of)) do
            if one.kind ~= "int" and one.kind ~= "float" then
                m:trap(one.guard, fn_line, ("score returned a %s; it returns a finite number"):format(
                    value.type(one)))
            end
        end
        if m:dead() or not value.wide(program, of) then return end
        local expression = node.values and node.values[1]
        local terms = of.terms or { m:term_of(of, node.line, expression and self:text(expression)) }
        sites[#sites + 1] = { path = m.path, val = value.wide(program, of), terms = terms }
    end)
    self.sums = false
    if #sites == 0 then return program:float(0.0), {}, fn_line end

    local last = sites[#sites]
    local result = { { kind = "float", guard = TRUE, val = last.val }, terms = last.terms }
    for index = #sites - 1, 1, -1 do
        local site = sites[index]
        local this = { { kind = "float", guard = TRUE, val = site.val }, terms = site.terms }
        result = m:merge(site.path, this, result)
    end
    local terms = {}
    for _, term in ipairs(result.terms or {}) do
        local zero = program:is_const(term.val) and program:value(term.val) == 0
        if not zero and #terms < TERMS_MAX then terms[#terms + 1] = term end
    end
    return result[1].val, terms, fn_line
end

return decide
