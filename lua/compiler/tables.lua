-- Tables of the decision, and loops over tables.
--
-- A loop by pairs goes in the order that lua/lib/ordered.lua gives: turn by turn, of each table that the loop may go
-- through on the rows that have it. Of labels each row has its own: as many turns are walked as there may be labels,
-- each on the rows that have so many.

local sentences = require "compiler.sentences"
local ssa = require "compiler.ssa"
local texts = require "compiler.texts"
local value = require "compiler.value"
local walker = require "compiler.walker"

local CHAIN_MAX = 256 -- entries of a table that is asked for what only a row knows

-- ---- entries

-- As lua/lib/ordered.lua goes through them.
local RANKS = { number = 1, string = 2, boolean = 3 }

local function entry_order(a, b)
    if type(a.key) ~= type(b.key) then return RANKS[type(a.key)] < RANKS[type(b.key)] end
    if type(a.key) == "boolean" then return b.key and not a.key end
    return a.key < b.key
end

-- Returns the entries {key, of} of a table of the file or of the decision, in order, and whether it has others, whose
-- keys are tables or functions. There may be CHAIN_MAX. early: what is there under keys that only a row knows is left
-- out.
function walker:entries(line, one, early)
    local entries, others = {}, false
    if not early and one.kind == "table" and one.val.late then
        self.m.refuse(line, "a table is gone through whose keys only a row knows",
            "go through what they were taken from")
    end
    local function add(key, of)
        if not RANKS[type(key)] then
            others = true
            return
        end
        entries[#entries + 1] = { key = key, of = of }
        if #entries > CHAIN_MAX then
            self.m.refuse(line, ("a table of more than %d entries is gone through"):format(CHAIN_MAX),
                "keep such a table smaller")
        end
    end
    if one.kind == "static" then
        for key, real in next, one.val do
            self.m:step(line)
            add(key, self:lift(real))
        end
    else
        for key, cell in pairs(one.val.cells) do add(key, cell.of) end
    end
    table.sort(entries, entry_order)
    return entries, others
end

-- The same, the last first; refuses a table that has other keys.
function walker:entries_backwards(line, one)
    local entries, others = self:entries(line, one)
    if others then
        self.m.refuse(line, "a table is gone through whose keys are tables or functions", "use texts as keys")
    end
    local turned = {}
    for index = #entries, 1, -1 do turned[#turned + 1] = entries[index] end
    return turned
end

local function is_nil(cell)
    return #cell.of == 1 and cell.of[1].kind == "nil"
end

-- Whether a table with holes has something behind entry `count`: which end Lua takes it for depends on how it was made.
local function goes_on(one, count)
    for key, cell in pairs(one.val.cells) do
        if math.type(key) == "integer" and key > count and not is_nil(cell) then return true end
    end
    return false
end

-- Returns how many entries the list in a table has; nil where only a row knows, or how Lua made it.
function walker:length(line, one)
    if one.kind == "static" then return #one.val end
    if one.val.has_late_places then return nil end
    local count = 0
    while true do
        self.m:step(line)
        local cell = one.val.cells[count + 1]
        if not cell or is_nil(cell) then
            if one.val.broken and goes_on(one, count) then return nil end
            return count
        end
        if self:may_be_nil(cell.of) then return nil end
        count = count + 1
    end
end

-- ---- lists that are longer on one row than on another
--
-- A table of the decision whose list grows at its end alone (`broken` is nil) has no holes on any row: where an entry
-- is, those before it are. So it has one length, by row.

local LIST_MAX = 64

-- Returns how many entries a list has on some row.
function walker:most(line, one)
    local count = 0
    while one.val.cells[count + 1] do count = count + 1 end
    while count > 0 and is_nil(one.val.cells[count]) do count = count - 1 end
    if count >= LIST_MAX then self.m.refuse(line, "a list grows too long", "keep it shorter") end
    return count
end

-- Returns where entry `index` is.
function walker:present(one, index)
    return self.program:lnot(value.absent(self.program, one.val.cells[index].of))
end

-- Returns the length of a table's list as an integer of the program; nil where that cannot be told.
function walker:measure(line, one)
    local program, known = self.program, self:length(line, one)
    if known then return program:int(known) end
    if one.val.broken or one.val.has_late_places then return nil end
    local most = self:most(line, one)
    local length = program:int(most)
    for index = most, 1, -1 do
        length = program:select(self:present(one, index), length, program:int(index - 1))
    end
    return length
end

-- Whether a value is nil on some row of the path.
function walker:may_be_nil(of)
    return self.program:land(self.m.path, value.absent(self.program, of)) ~= ssa.FALSE
end

-- Whether on some row of the path a table has a hole before one of its first `count` entries.
function walker:has_holes(one, count)
    local program, before = self.program, ssa.TRUE
    for index = 1, count do
        local here = self:present(one, index)
        local hole = program:land(self.m.path, program:land(here, program:lnot(before)))
        if hole ~= ssa.FALSE then return true end
        before = here
    end
    return false
end

-- Notes that a table of the decision gets a value under a constant key. Behind the end, and at the end, nothing may be
-- put, too.
function walker:note_write(line, one, key, of)
    if math.type(key) ~= "integer" or key < 1 then return end
    local length = self:length(line, one)
    if not length or key > length + 1 or (key < length and self:may_be_nil(of)) then
        one.val.broken = true
    end
end

-- Puts a value behind the end of a list, wherever that is on a row.
function walker:append(line, one, of)
    local m, program = self.m, self.program
    local there = program:lnot(value.absent(program, of)) -- nil behind the end is nothing
    if program:known_on(m.path, there) == false then return end
    of = value.present(program, of)
    local most, guards, before = self:most(line, one), {}, ssa.TRUE
    for index = 1, most do
        local here = self:present(one, index)
        guards[index], before = program:land(before, program:lnot(here)), here
    end
    guards[most + 1] = before
    local cells = one.val.cells
    cells[most + 1] = cells[most + 1] or m.cell()
    for index = 1, most + 1 do
        local guard = program:land(there, guards[index])
        local here = program:known_on(m.path, guard)
        if here ~= false then m:write(cells[index], here and of or m:merge(guard, of, cells[index].of)) end
    end
end

-- Puts a value, which may be nil, over the last entry of a list, wherever that is on a row.
function walker:replace_last(line, one, of)
    local m, program = self.m, self.program
    local cells = one.val.cells
    local some = cells[1] and self:present(one, 1) or ssa.FALSE
    if some ~= ssa.TRUE and of ~= value.NIL then -- the last of none is entry 0
        cells[0] = cells[0] or m.cell()
        m:write(cells[0], m:merge(some, cells[0].of, of))
    elseif cells[0] then
        m.refuse(line, "a list has something in place 0", "begin with 1")
    end
    local behind = ssa.FALSE
    for index = self:most(line, one), 1, -1 do
        local cell, here = cells[index], self:present(one, index)
        m:write(cell, m:merge(program:land(here, program:lnot(behind)), of, cell.of))
        behind = here
    end
end

-- Returns the texts of a list as one, with `between` between them: an alternative.
function walker:joined(line, one, between)
    local program, whole = self.program, self.program:text ""
    for index = 1, self:most(line, one) do
        local here = self:present(one, index)
        local item = texts.joined(program, value.present(program, one.val.cells[index].of))
        if not item then self.m.refuse(line, "a text in a width is put into a list", "write %s") end
        local longer = index > 1 and program:concat(program:concat(whole, program:text(between)), item) or item
        whole = program:select(here, longer, whole)
    end
    return texts.alternative(program, whole)
end

-- ---- what is put under keys that only a row knows

local LATE_MAX = 64

-- Puts a value under a key that only a row knows, a text or an integer. What is put is kept in its order, with where it
-- was: the last one under a key is what is there.
function walker:put_late(line, one, key, of)
    local m, late = self.m, one.val.late or {}
    one.val.late = late
    for _, each in ipairs(key) do
        one.val.has_late_places = one.val.has_late_places or each.kind == "int" or each.kind == "float"
    end
    if #late >= LATE_MAX then
        m.refuse(line, ("a table is changed under more than %d keys that only a row knows"):format(LATE_MAX),
            "use fewer turns of the loop")
    end
    local entry = { key = key, cell = m.cell(), put = m.cell(value.new("bool", ssa.FALSE)) }
    late[#late + 1] = entry
    m:write(entry.cell, of)
    m:write(entry.put, value.new("bool", ssa.TRUE))
end

-- Returns a key that only a row knows, as one that a table may have; refuses others.
function walker:late_key(line, key)
    local program, left = self.program, {}
    for _, one in ipairs(value.apart(program, key)) do
        if program:known_on(self.m.path, one.guard) ~= false then
            if one.kind ~= "text" and one.kind ~= "int" and one.kind ~= "made" then
                self.m.refuse(line, "a table is changed under a key that is no text on some row",
                    "check that the key is there, and is a text")
            end
            left[#left + 1] = { kind = one.kind, guard = one.guard, val = one.val }
        end
    end
    if #left == 1 then left[1].guard = ssa.TRUE end
    return left
end

-- ---- loops

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
    local most = m:turns_of(LABELS_MAX)
    self:loop(frame, function(index)
        m:step(node.line)
        if index > most then
            if most < LABELS_MAX then
                m:leave_turns(program:lnot(program:is_nil(program:entry("key_at", map, most))), node.line, most)
            end
            return false
        end
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
