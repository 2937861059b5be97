-- Loops over a table by pairs, whose order Lua leaves open: walked in one order where any gives the same.
--
-- That is shown for two kinds of loops: those in which no row does anything in two turns (it looks for the one entry
-- that fits), and those in which all that a turn does is to leave with the same values.

local sentences = require "compiler.sentences"
local ssa = require "compiler.ssa"
local value = require "compiler.value"
local walker = require "compiler.walker"

local FALSE = ssa.FALSE
local INSTEAD = "keep a list of { name, value } pairs and go through it by ipairs"

-- Returns where a value is not the one that was there before.
local function changed(program, before, now)
    if now == before then return FALSE end
    if not now.choice then return ssa.TRUE end
    local condition, a, b = table.unpack(now.choice)
    return program:lor(program:land(condition, changed(program, before, a)),
        program:land(program:lnot(condition), changed(program, before, b)))
end

-- Walks one turn from the variables as they are, takes it back, and returns where it did something.
local function effect(self, m, turn)
    local program = self.program
    local before, mark, ends = m.path, #m.journal, m.ends
    turn()
    local where = program:land(before, program:lnot(m.path))
    local written = m:written(mark)
    m:undo(mark)
    for _, cell in ipairs(written.order) do
        where = program:lor(where, changed(program, cell.of, written.now[cell]))
    end
    m.path, m.ends = before, ends
    return where
end

function walker:walk_table(node, frame, list)
    local m, program = self.m, self.program
    local one = list[1]
    if #list ~= 1 or (one.kind ~= "static" and one.kind ~= "table") then
        if one.kind == "map" or one.kind == "object" then
            m.refuse(node.line, ("what %s has is known to a row only"):format(one.val),
                "ask for the labels that you know by name, or go through a list of names by ipairs")
        end
        m:trap(ssa.TRUE, node.line, sentences.list(one))
        return
    end
    local entries = {}
    for _, entry in ipairs(self:entries(node.line, one)) do
        if not (#entry.of == 1 and entry.of[1].kind == "nil") then entries[#entries + 1] = entry end
        if value.find(value.apart(program, entry.of), "nil") and #entry.of > 1 then
            m.refuse(node.line, "what the table has is known to a row only", INSTEAD)
        end
    end
    local function turn(entry)
        frame.cells[node.vars[1]] = m.cell(value.constant(program, entry.key))
        if node.vars[2] then frame.cells[node.vars[2]] = m.cell(entry.of) end
        self:block(node.body, frame)
    end
    if #entries > 1 then self:check_order(node, frame, entries, turn) end
    self:loop(frame, function(index)
        m:step(node.line)
        if not entries[index] then return false end
        turn(entries[index])
        return true
    end)
end

-- Refuses a loop whose result may depend on the order of its turns.
function walker:check_order(node, frame, entries, turn)
    local m, program = self.m, self.program
    local traps, sink, target, breaks = #m.traps, frame.sink, frame.target, frame.breaks
    local effects, left, written = {}, {}, false
    local function leave(_, values) left[#left + 1] = values end
    for index, entry in ipairs(entries) do
        -- What would be returned is looked at, and goes nowhere.
        frame.sink, frame.breaks = leave, m:target()
        effects[index] = effect(self, m, function()
            local mark = #m.journal
            turn(entry)
            written = written or #m.journal > mark or #frame.breaks.arrivals > 0
        end)
    end
    frame.sink, frame.target, frame.breaks = sink, target, breaks
    if #m.traps > traps then m.refuse(node.line, "pairs has no order, and the loop may raise an error", INSTEAD) end
    local alike = not written
    for _, values in ipairs(left) do
        for at = 1, math.max(#values, #left[1]) do
            local a, b = left[1][at] or value.NIL, values[at] or value.NIL
            alike = alike and #a == 1 and #b == 1 and a[1].kind == b[1].kind and a[1].val == b[1].val
        end
    end
    if alike then return end
    for i = 1, #effects do
        for j = i + 1, #effects do
            if program:land(effects[i], effects[j]) ~= FALSE then
                m.refuse(node.line, "pairs has no order, and what this loop does depends on one", INSTEAD)
            end
        end
    end
end

return walker
