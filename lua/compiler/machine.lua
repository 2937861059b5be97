-- Where an interpretation over all rows at once stands: the path that is being walked, what variables hold on it,
-- and what was written down on the way.
--
-- A condition forks: both sides are walked, one after the other, from the same variables; then they are joined,
-- and a variable that differs is a choice by the condition. So that a side can be taken back, every write goes to
-- a journal. A path that ends (return, break, error) is FALSE from there on; what it had written waits at its
-- target with the path it came by.
--
-- Paths are exact: each row is on one of them. A row in which an error is raised stays on its path with values
-- that mean nothing, since the first trap that holds is what becomes of it.

local ssa = require "compiler.ssa"
local value = require "compiler.value"

local machine = {}
machine.__index = machine

local TRUE, FALSE = ssa.TRUE, ssa.FALSE

local STEPS_MAX = 40000
local TRAPS_MAX = 256

-- turns: how many of a loop are walked that a row alone ends (`turns_of`).
function machine.new(program, turns)
    return setmetatable({
        program = program, turns = turns, path = TRUE, journal = {}, ends = 0, steps = 0, traps = {}, trapped = {},
    }, machine)
end

-- ---- what cannot be

-- Stops the compiling of this function: it runs row by row. why, instead: what to tell its author.
function machine.refuse(line, why, instead)
    error({ line = line, why = why, instead = instead }, 0)
end

-- Stops everything: the file is wrong.
function machine.problem(line, sentence)
    error({ line = line, problem = sentence }, 0)
end

function machine:step(line)
    self.steps = self.steps + 1
    if self.steps > STEPS_MAX then
        error({ line = line, why = "it takes too many steps", instead = "make its loops and tables smaller",
            is_large = true }, 0)
    end
end

-- Returns how many turns are walked of a loop that a row alone ends and that has at most so many, or any number.
function machine:turns_of(most)
    self.turns.are_cut = self.turns.are_cut or not most or most > self.turns.least
    return math.min(most or self.turns.most, self.turns.most)
end

-- Leaves rows on this path where `guard` holds to Lua. They raise an error here, which is none of Lua's: whoever runs
-- programs asks Lua itself about them.
function machine:leave(guard, line, why)
    return self:trap(guard, line, "left to Lua: " .. why, true)
end

-- The same for rows that take more turns of a loop than are walked.
function machine:leave_turns(guard, line, turns)
    return self:leave(guard, line, ("this loop takes more than %d turns"):format(turns))
end

-- An error that Lua raises for rows on this path where `guard` holds. message: a function that returns its
-- sentence, or the sentence; is_left: it is no error of Lua's. Returns false when it holds for all of them, which ends
-- the path.
function machine:trap(guard, line, message, is_left)
    local when = self.program:land(self.path, guard)
    if when == FALSE then return true end
    local text = type(message) == "function" and message() or message
    local key = when .. " " .. line .. " " .. text
    if not self.trapped[key] then
        self.trapped[key] = true
        self.traps[#self.traps + 1] = { when = when, line = line, message = text, left = is_left }
        if #self.traps > TRAPS_MAX then
            self.refuse(line, "it may go wrong in too many places", "check what may be nil once, at the beginning")
        end
    end
    if when ~= self.path then return true end
    self:finish()
    return false
end

-- Ends the path.
function machine:finish()
    if self.path ~= FALSE then
        self.ends = self.ends + 1
        self.path = FALSE
    end
end

function machine:dead()
    return self.path == FALSE
end

-- ---- variables

function machine.cell(of)
    return { of = of or value.NIL }
end

function machine:write(cell, of)
    local journal = self.journal
    journal[#journal + 1] = cell
    journal[#journal + 1] = cell.of
    cell.of = of
end

-- What was written since the mark: {cell = value}, and the cells in the order of their first write.
function machine:written(mark)
    local now, order = {}, {}
    for at = mark + 1, #self.journal, 2 do
        local cell = self.journal[at]
        if not now[cell] then
            now[cell] = cell.of
            order[#order + 1] = cell
        end
    end
    return { now = now, order = order }
end

function machine:undo(mark)
    local journal = self.journal
    for at = #journal, mark + 1, -2 do
        journal[at - 1].of = journal[at]
        journal[at], journal[at - 1] = nil, nil
    end
end

local function redo(self, written)
    for _, cell in ipairs(written.order) do self:write(cell, written.now[cell]) end
end

-- Writes, for every cell that one of two wrote, the choice. why: what a term says of it.
local function choose(self, condition, a, b, why)
    local seen = {}
    for _, side in ipairs { a, b } do
        for _, cell in ipairs(side.order) do
            if not seen[cell] then
                seen[cell] = true
                self:write(cell, self:merge(condition, a.now[cell] or cell.of, b.now[cell] or cell.of, why))
            end
        end
    end
end

-- ---- terms of a sum, told beside a number

-- Returns the terms of a choice: what both sums begin with, then what one of them has.
local function merge_terms(self, condition, a, b, why)
    if not a.terms and not b.terms then return nil end
    local program, terms, at = self.program, {}, 1
    local zero = program:float(0.0)
    local left = a.terms or { self:term_of(a) }
    local right = b.terms or { self:term_of(b) }
    while left[at] and left[at] == right[at] do
        terms[at] = left[at]
        at = at + 1
    end
    for index = at, #left do
        local term = left[index]
        terms[#terms + 1] = { val = program:select(condition, term.val, zero), line = term.line,
            text = why and term.text .. " if " .. why or term.text }
    end
    for index = at, #right do
        local term = right[index]
        terms[#terms + 1] = { val = program:select(condition, zero, term.val), line = term.line,
            text = why and term.text .. " unless " .. why or term.text }
    end
    return #terms <= 64 and terms or nil
end

-- Returns a number as the only term of a sum; where it is no number, as nothing.
function machine:term_of(of, line, text)
    return { val = value.wide(self.program, of) or self.program:float(0.0), line = line or 0, text = text or "" }
end

function machine:merge(condition, a, b, why)
    local merged = value.merge(self.program, condition, a, b)
    if merged == a or merged == b then return merged end
    merged.choice = { condition, a, b }
    merged.terms = merge_terms(self, condition, a, b, why)
    return merged
end

-- ---- forks

-- Walks `yes` on the rows of the path where the condition holds, and `no` (may be nil) on the others. Returns the
-- choice of what they returned; a side that does not come to its end returns nothing to choose.
function machine:fork(condition, yes, no, why)
    local program, before, mark, ends = self.program, self.path, #self.journal, self.ends
    local known = program:known_on(before, condition)
    if known ~= nil then
        if known then return yes() end
        return no and no()
    end
    self.path = program:land(before, condition)
    local a = yes()
    local path_a, wrote_a = self.path, self:written(mark)
    self:undo(mark)
    self.path = program:land(before, program:lnot(condition))
    local b = no and no()
    local path_b, wrote_b = self.path, self:written(mark)
    self:undo(mark)
    if path_a == FALSE or path_b == FALSE then
        self.path = path_a == FALSE and path_b or path_a
        redo(self, path_a == FALSE and wrote_b or wrote_a)
        return path_a == FALSE and b or a
    end
    choose(self, condition, wrote_a, wrote_b, why)
    self.path = self.ends == ends and before or program:lor(path_a, path_b)
    return a and b and self:merge(condition, a, b, why) or a or b
end

-- ---- targets: where paths that end go on

function machine:target()
    return { mark = #self.journal, before = self.path, ends = self.ends, arrivals = {} }
end

-- Ends the path; it goes on at the target. of: values that it brings along.
function machine:jump(target, of)
    if self.path == FALSE then return end
    local arrivals = target.arrivals
    arrivals[#arrivals + 1] = { path = self.path, written = self:written(target.mark), of = of }
    self:finish()
end

-- Goes on with what arrived at the target and with the present path, if that has not ended (`of`: its values).
-- Returns the choice of the values that were brought along, a list, and whether all brought equally many (`ragged`: not
-- even one of them does).
function machine:join(target, of)
    local arrivals = target.arrivals
    local jumped = #arrivals
    if jumped == 0 then return of or {}, not (of and of.ragged) end
    if self.path ~= FALSE then
        arrivals[jumped + 1] = { path = self.path, written = self:written(target.mark), of = of }
    end
    self:undo(target.mark)
    local last = arrivals[#arrivals]
    local path, values = last.path, last.of or {}
    local exact = not values.ragged
    redo(self, last.written)
    for index = #arrivals - 1, 1, -1 do
        local one = arrivals[index]
        local present = self:written(target.mark)
        self:undo(target.mark)
        choose(self, one.path, one.written, present)
        path = self.program:lor(path, one.path)
        local merged, theirs = {}, one.of or {}
        exact = exact and #theirs == #values and not theirs.ragged
        for at = 1, math.max(#theirs, #values) do
            merged[at] = self:merge(one.path, theirs[at] or value.NIL, values[at] or value.NIL)
        end
        values = merged
    end
    -- Where nothing ended but came here, all rows go on.
    if self.ends - jumped == target.ends then
        self.path, self.ends = target.before, target.ends
    else
        self.path, self.ends = path, self.ends - jumped
    end
    return values, exact
end

return machine
