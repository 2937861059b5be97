-- Lua's functions on lists: what table.insert, remove, concat, unpack, pack and sort do, and select and next. Lists are
-- tables of the decision, or, where nothing of them is changed, of the file. Each function is handed the call
-- (builtins.lua), and returns a list of values, and false when it is now longer, now shorter.

local operate = require "compiler.operate"
local ssa = require "compiler.ssa"
local value = require "compiler.value"

local lists = {}

local TRUE = ssa.TRUE

local UNPACKED_MAX = 250 -- values that table.unpack returns
local SORTED_MAX = 7 -- entries that are sorted: each place in which a row may stand is walked

-- ---- arguments

-- Returns a list of the file as one of the decision would be, to be read.
local function copied(call, real)
    local cells = {}
    for index = 1, #real do
        call.m:step(call.node.line)
        cells[index] = call.m.cell(call.walker:lift(real[index]))
    end
    return { kind = "table", val = { cells = cells } }
end

-- Calls fn(one) for each table that an argument is, on the rows where it is that one; where it is none it raises. With
-- `changed` the table is to be changed: it has to be one that the decision makes.
local function each_table(call, index, changed, fn)
    local m, fits = call.m, {}
    if not call.args[index] then
        call.raise(call, index)
        return
    end
    for _, one in ipairs(value.apart(m.program, call.args[index])) do
        if m.program:known_on(m.path, one.guard) ~= false then
            local is_real = one.kind == "static" and type(one.val) == "table"
            if value.type(one) ~= "table" then
                call.raise(call, index, one)
            elseif one.kind ~= "table" and (changed or not is_real) then
                m.refuse(call.node.line, ("%s is given a table that is not made in this call"):format(call.known_as),
                    "make the table in the function, by local, or do it where the file is loaded")
            else
                fits[#fits + 1] = { guard = one.guard, one = is_real and copied(call, one.val) or one }
            end
        end
    end
    local function try(at)
        if at == #fits then return fn(fits[at].one) end
        m:fork(fits[at].guard, function() fn(fits[at].one) end, function() try(at + 1) end)
    end
    if #fits == 0 then m:finish() end
    if not m:dead() then try(1) end
end

-- Returns a constant whole number that is an argument; nil where it is left out.
local function place_at(call, index)
    local of = call.args[index]
    if not of then return nil end
    local known, constant = value.known(call.m.program, of)
    local place = known and math.tointeger(constant)
    if not place or type(constant) == "string" then
        call.m.refuse(call.node.line, ("a place that %s is told is known to a row only"):format(call.known_as),
            "write it as a number")
    end
    return place
end

-- Returns the length of a list as an integer of the program; refuses one that Lua alone could tell.
local function length_of(call, one)
    local length = call.walker:measure(call.node.line, one)
    if not length then
        call.m.refuse(call.node.line, "how long a list with holes is, is known to a row only",
            "let the list grow at its end alone, by t[#t + 1] = value")
    end
    return length
end

local function write(call, one, index, of)
    local cells = one.val.cells
    cells[index] = cells[index] or call.m.cell()
    call.m:write(cells[index], of)
end

-- Raises where a place is none between 1 and `last`.
local function check_place(call, place, last)
    local program = call.m.program
    local bad = place < 1 and TRUE or program:make("lt_i", last, program:int(place))
    call.raise(call, 2, { kind = "static", val = 1 << 40, guard = bad })
    return not call.m:dead()
end

-- ---- insert and remove

function lists.insert(call)
    if #call.args < 2 or #call.args > 3 then
        call.m.refuse(call.node.line, "table.insert is given too much or too little", "give it a list and a value")
    end
    local place = #call.args == 3 and place_at(call, 2)
    each_table(call, 1, true, function(one)
        local walker, line, program = call.walker, call.node.line, call.m.program
        local length = length_of(call, one)
        if not place then
            local known = walker:length(line, one)
            if not known then return walker:append(line, one, call.args[2]) end
            walker:note_write(line, one, known + 1, call.args[2])
            return write(call, one, known + 1, call.args[2])
        end
        if walker:may_be_nil(call.args[3]) then
            call.m.refuse(line, "what is put into a list may be nil", "check it before")
        end
        if not check_place(call, place, program:make("add_i", length, program:int(1))) then return end
        for index = walker:most(line, one) + 1, place + 1, -1 do
            write(call, one, index, one.val.cells[index - 1].of)
        end
        write(call, one, place, call.args[3])
    end)
    return {}
end

function lists.remove(call)
    local m, result = call.m, nil
    local place = place_at(call, 2)
    each_table(call, 1, true, function(one)
        local walker, line, program = call.walker, call.node.line, m.program
        local length, cells = length_of(call, one), one.val.cells
        if one.val.cells[0] then m.refuse(line, "a list has something in place 0", "begin with 1") end
        if place and not check_place(call, place, program:make("add_i", length, program:int(1))) then return end
        local most, taken = walker:most(line, one), value.NIL
        for index = place or 1, most do
            local now, next_one = cells[index].of, cells[index + 1] and cells[index + 1].of or value.NIL
            if place then
                taken = index == place and now or taken
                m:write(cells[index], next_one)
            else
                local is_last = program:make("eq_i", length, program:int(index))
                taken = m:merge(is_last, now, taken)
                m:write(cells[index], m:merge(is_last, value.NIL, now))
            end
        end
        result = result and m:merge(m.path, taken, result) or taken
    end)
    return { result or value.NIL }
end

-- ---- a list as values, and values as a list

function lists.unpack(call)
    local m, results = call.m, nil
    local first, last = place_at(call, 2) or 1, place_at(call, 3)
    local exact = true
    each_table(call, 1, false, function(one)
        local known = last or call.walker:length(call.node.line, one)
        local most = known or (length_of(call, one) and call.walker:most(call.node.line, one))
        exact = exact and known ~= nil and (not results or #results == math.max(most - first + 1, 0))
        if most - first >= UNPACKED_MAX then
            m.refuse(call.node.line, "table.unpack returns too many values", "keep the list shorter")
        end
        local values = {}
        for index = first, most do
            local cell = one.val.cells[index]
            values[#values + 1] = cell and cell.of or value.NIL
        end
        if results then
            for index = 1, math.max(#values, #results) do
                values[index] = m:merge(m.path, values[index] or value.NIL, results[index] or value.NIL)
            end
        end
        results = values
    end)
    return results or {}, exact
end

function lists.pack(call)
    local cells = { n = call.m.cell(value.constant(call.m.program, #call.args)) }
    for index, of in ipairs(call.args) do cells[index] = call.m.cell(of) end
    local one = { kind = "table", val = { cells = cells } }
    one.val.broken = call.walker:has_holes(one, #call.args) or nil
    return { value.new("table", one.val) }
end

-- Refuses a list in which something is neither text nor number.
local function check_items(call, one, count)
    for index = 1, count do
        for _, item in ipairs(value.present(call.m.program, one.val.cells[index].of)) do
            if item.kind ~= "text" and item.kind ~= "made" and item.kind ~= "int" and item.kind ~= "float" then
                call.m.refuse(call.node.line, "table.concat is given what is no text on some rows",
                    "put texts into the list")
            end
        end
    end
end

-- Returns the items of a list that every row has as long as one text.
local function join(call, one, length, between)
    local m, line = call.m, call.node.line
    local result = value.constant(m.program, "")
    for index = 1, length do
        local node = { op = "..", line = line, a = call.node, b = call.node }
        local joint = value.constant(m.program, index > 1 and between or "")
        local item = value.present(m.program, one.val.cells[index].of)
        result = operate.binary(m, node, operate.binary(m, node, result, joint), item)
    end
    return result
end

function lists.concat(call)
    local m, result = call.m, nil
    local known, between = value.known(m.program, call.args[2] or value.constant(m.program, ""))
    if call.args[3] or not known or type(between) ~= "string" then
        m.refuse(call.node.line, "table.concat is told what only a row knows", "give it a list and a text")
    end
    each_table(call, 1, false, function(one)
        local length = call.walker:length(call.node.line, one)
        local most = length or (length_of(call, one) and call.walker:most(call.node.line, one))
        check_items(call, one, most)
        local this = length and join(call, one, length, between)
            or { call.walker:joined(call.node.line, one, between) }
        result = result and m:merge(m.path, this, result) or this
    end)
    return { result or value.NIL }
end

-- ---- sort, by the very steps of Lua's own: where it stands is known, what it finds there is a row's

-- Raises what Lua does when an order contradicts itself.
local function invalid(call)
    call.m:trap(TRUE, call.node.line, "invalid order function for sorting")
end

-- A list that is sorted: {call, cells, less(a, b): where a goes before b}.
local sorter = {}
sorter.__index = sorter

function sorter:swap(a, b)
    local cells, m = self.cells, self.call.m
    local one, other = cells[a].of, cells[b].of
    m:write(cells[a], other)
    m:write(cells[b], one)
end

function sorter:swap_if(a, b, otherwise)
    local cells = self.cells
    self.call.m:fork(self.less(cells[a].of, cells[b].of), function() self:swap(a, b) end, otherwise)
end

-- Goes on at `place` on the rows that came to it; calls fn there.
local function arrive(m, target, fn)
    m:join(target)
    if not m:dead() then fn() end
end

-- Parts a[low..up] by the pivot in a[up - 1]. Calls parted(i) for each place where the pivot may come to stand, on the
-- rows where it does. Two markers go towards each other: every pair of places is walked once, `up` on the rows whose
-- left marker goes on, `down` where the right one does.
function sorter:part(low, up, parted)
    local m, call, cells = self.call.m, self.call, self.cells
    local pivot, ends, whole = cells[up - 1].of, {}, m:target() -- targets of one moment
    local states = { up = {}, down = {} }
    for i = low, up - 1 do
        states.up[i], states.down[i] = {}, {}
        for j = low, up - 1 do states.up[i][j], states.down[i][j] = m:target(), m:target() end
        ends[i] = m:target()
    end
    local function meet(i, j)
        if j < i then
            self:swap(up - 1, i)
            m:jump(ends[i])
        else
            self:swap(i, j)
            m:jump(states.up[i][j])
        end
    end
    -- The left marker goes on from i.
    local function go_up(i, j)
        m:fork(self.less(cells[i + 1].of, pivot), function()
            if i + 1 == up - 1 then return invalid(call) end
            m:jump(states.up[i + 1][j])
        end, function() m:jump(states.down[i + 1][j]) end)
    end
    local function go_down(i, j)
        m:fork(self.less(pivot, cells[j - 1].of), function()
            if j - 1 < i then return invalid(call) end
            m:jump(states.down[i][j - 1])
        end, function() meet(i, j - 1) end)
    end
    m:jump(states.up[low][up - 1])
    for i = low, up - 1 do
        for j = up - 1, low, -1 do
            if j > low then arrive(m, states.down[i][j], function() go_down(i, j) end) end
            if i < up - 1 then arrive(m, states.up[i][j], function() go_up(i, j) end) end
        end
    end
    for i = low, up - 1 do
        arrive(m, ends[i], function()
            parted(i)
            m:jump(whole)
        end)
    end
    m:join(whole)
end

function sorter:sort(low, up)
    local m = self.call.m
    if low >= up or m:dead() then return end
    self:swap_if(up, low)
    if up - low == 1 or m:dead() then return end
    local middle = (low + up) // 2
    self:swap_if(middle, low, function() self:swap_if(up, middle) end)
    if up - low == 2 or m:dead() then return end
    self:swap(middle, up - 1)
    self:part(low, up, function(place)
        if place - low < up - place then
            self:sort(low, place - 1)
            self:sort(place + 1, up)
        else
            self:sort(place + 1, up)
            self:sort(low, place - 1)
        end
    end)
end

-- Returns what the order is told by: the function that is given, or what the list's entries are.
local function order_of(call, one, most)
    local m, by = call.m, call.args[2]
    if by and not (#by == 1 and by[1].kind == "nil") then
        for _, each in ipairs(value.apart(m.program, by)) do
            if value.type(each) ~= "function" then
                m.refuse(call.node.line, "table.sort is given what may be no function",
                    "give it a function, or nothing")
            end
        end
        return function(a, b)
            local results = call.walker:call(call.node, by, { a, b })
            return value.truth(m.program, results[1] or value.NIL)
        end
    end
    local of_type
    for index = 1, most do
        for _, item in ipairs(value.present(m.program, one.val.cells[index].of)) do
            local this = value.type(item)
            if (this ~= "number" and this ~= "string") or (of_type or this) ~= this then
                m.refuse(call.node.line, "table.sort is given what is neither all numbers nor all texts",
                    "say how they are ordered: table.sort(list, function(a, b) ... end)")
            end
            of_type = this
        end
    end
    local node = { op = "<", line = call.node.line, a = call.node, b = call.node }
    return function(a, b)
        return operate.binary(m, node, value.present(m.program, a), value.present(m.program, b))[1].val
    end
end

function lists.sort(call)
    local m, program = call.m, call.m.program
    each_table(call, 1, true, function(one)
        local length = length_of(call, one)
        local most = call.walker:length(call.node.line, one) or call.walker:most(call.node.line, one)
        if most > SORTED_MAX then
            m.refuse(call.node.line, ("table.sort is given more than %d entries"):format(SORTED_MAX),
                "sort where the file is loaded, or look for the largest by a loop")
        end
        local by_row = setmetatable({ call = call, cells = one.val.cells, less = order_of(call, one, most) }, sorter)
        for count = 2, most do
            m:fork(program:make("eq_i", length, program:int(count)), function() by_row:sort(1, count) end)
        end
    end)
    return {}
end

-- ---- select and next

function lists.select(call)
    local m, count = call.m, #call.args - 1
    local known, from = value.known(m.program, call.args[1] or value.NIL)
    if known and from == "#" then return { value.constant(m.program, count) } end
    from = known and type(from) == "number" and math.tointeger(from)
    if from and from < 0 then from = count + from + 1 end
    if not from or from < 1 then
        m.refuse(call.node.line, "select is not told a constant number", "name the values instead")
    end
    return table.move(call.args, math.min(from, count + 1) + 1, #call.args, 1, {})
end

-- The first entry of a table, which says whether there is one.
function lists.next(call)
    local m, program, walker, line = call.m, call.m.program, call.walker, call.node.line
    local from, key, of = call.args[2], nil, nil
    if from and not (#from == 1 and from[1].kind == "nil") then
        m.refuse(line, "next is told a key", "go through the table by pairs")
    end
    for _, one in ipairs(value.apart(program, call.args[1] or value.NIL)) do
        if m.program:known_on(m.path, one.guard) ~= false then
            local first, its = value.NIL, value.NIL
            if one.kind == "map" then
                first = value.new("option", program:entry("key_at", one.val, 0))
                its = value.new("option", program:entry("value_at", one.val, 0))
            elseif one.kind == "table" or (one.kind == "static" and type(one.val) == "table") then
                for at, entry in ipairs(walker:entries_backwards(line, one)) do
                    local there = program:lnot(value.absent(program, entry.of))
                    local behind, its_own = at > 1 and first or value.NIL, at > 1 and its or value.NIL
                    first = value.merge(program, there, value.constant(program, entry.key), behind)
                    its = value.merge(program, there, value.present(program, entry.of), its_own)
                end
            else
                m.refuse(line, "next is given what may be no table", "give it a table, or labels")
            end
            key = key and value.merge(program, one.guard, first, key) or first
            of = of and value.merge(program, one.guard, its, of) or its
        end
    end
    return { key or value.NIL, of or value.NIL }
end

return lists
