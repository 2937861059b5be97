-- Loops by string.gmatch: as many turns are walked as the console takes a text apart into, each on the rows that have
-- so many matches. What a row has more of is left to Lua (machine:leave).

local ssa = require "compiler.ssa"
local value = require "compiler.value"
local walker = require "compiler.walker"

-- Walks the body for the match number `turn`, from 0.
local function walk_match(self, node, frame, matches, turn)
    local m, program = self.m, self.program
    for index, var in ipairs(node.vars) do
        local part = index <= matches.each
            and program:make("part_s", matches.parts, program:int(turn * matches.each + index - 1))
        frame.cells[var] = m.cell(part and value.new("text", part) or value.NIL)
    end
    self:block(node.body, frame)
end

function walker:walk_matches(node, frame, matches)
    local m, program = self.m, self.program
    local most = m:turns_of(ssa.MATCHES_MAX)
    local function is_there(turn) return program:make("lt_i", program:int(turn * matches.each), matches.count) end
    self:loop(frame, function(index)
        m:step(node.line)
        if index > most then
            m:leave_turns(is_there(most), node.line, most)
            return false
        end
        m:fork(is_there(index - 1), function() walk_match(self, node, frame, matches, index - 1) end)
        return true
    end)
end

return walker
