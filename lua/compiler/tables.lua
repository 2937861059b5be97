-- Loops over a table by pairs, in the order that lua/lib/ordered.lua gives them: turn by turn, of each table that the
-- loop may go through on the rows that have it. Of labels each row has its own: as many turns are walked as there may
-- be labels, each on the rows that have so many.

local sentences = require "compiler.sentences"
local value = require "compiler.value"
local walker = require "compiler.walker"

-- Walks the body for one entry, on the rows where it is there.
function walker:walk_entry(node, frame, there, key, of)
    local m = self.m
    m:fork(there, function()
        frame.cells[node.vars[1]] = m.cell(key)
        for extra = 2, #node.vars do
            frame.cells[node.vars[extra]] = m.cell(extra == 2 and of or value.NIL)
        end
        self:block(node.body, frame)
    end)
end

-- What is in the table when the loop begins, and still is when its turn comes.
function walker:walk_entries(node, frame, one)
    local m, program = self.m, self.program
    local entries, others = self:entries(node.line, one)
    if others then
        m.refuse(node.line, "a table is gone through whose keys are tables or functions", "use texts as keys")
    end
    self:loop(frame, function(index)
        local entry = entries[index]
        if not entry then return false end
        m:step(node.line)
        local now = one.kind == "static" and entry.of or one.val.cells[entry.key].of
        local there = program:land(program:lnot(value.absent(program, entry.of)),
            program:lnot(value.absent(program, now)))
        if there ~= program:bool(false) then
            self:walk_entry(node, frame, there, value.constant(program, entry.key), value.present(program, now))
        end
        return true
    end)
end

local LABELS_MAX = 64 -- LAT_COLUMNS_MAP_MAX of core/policy

function walker:walk_labels(node, frame, map)
    local m, program = self.m, self.program
    self:loop(frame, function(index)
        if index > LABELS_MAX then return false end
        m:step(node.line)
        local key = program:entry("key_at", map, index - 1)
        self:walk_entry(node, frame, program:lnot(program:is_nil(key)), value.new("text", key),
            value.new("text", program:entry("value_at", map, index - 1)))
        return true
    end)
end

function walker:walk_table(node, frame, list)
    local m, fits = self.m, {}
    for _, one in ipairs(value.apart(self.program, list)) do
        if one.kind == "object" then
            m.refuse(node.line, ("the fields of %s are gone through"):format(self:called(one.val)),
                "go through a list of their names by ipairs")
        elseif value.type(one) == "table" then
            fits[#fits + 1] = one
        else
            m:trap(one.guard, node.line, function() return sentences.list(pairs, one) end)
        end
    end
    local function try(index)
        local function this()
            if fits[index].kind == "map" then return self:walk_labels(node, frame, fits[index].val) end
            self:walk_entries(node, frame, fits[index])
        end
        if index == #fits then return this() end
        m:fork(fits[index].guard, this, function() try(index + 1) end)
    end
    if fits[1] and not m:dead() then try(1) end
end

return walker
