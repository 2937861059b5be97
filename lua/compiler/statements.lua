-- Walks the tree of a decision function over all rows at once: statements. See walker.lua.

local builtins = require "compiler.builtins"
local operate = require "compiler.operate"
local sentences = require "compiler.sentences"
local ssa = require "compiler.ssa"
local value = require "compiler.value"
local walker = require "compiler.walker"
require "compiler.matches"
require "compiler.tables"

local TURNS_MAX = 64 -- of a loop whose end only a row knows, where nothing is left to Lua
local WALKED_MAX = 1 << 40 -- what such a loop begins with, and goes by

local executors = {}

function walker:block(body, frame)
    local m = self.m
    local outer = frame.labels
    if body.labels then
        frame.labels = setmetatable({}, { __index = outer })
        for name in pairs(body.labels) do frame.labels[name] = m:target() end
    end
    for _, statement in ipairs(body) do
        if statement.k == "Label" then
            m:join(frame.labels[statement.name], {})
            frame.labels[statement.name] = false
        elseif not m:dead() then
            m:step(statement.line)
            executors[statement.k](self, statement, frame)
        elseif not body.labels then
            break
        end
    end
    frame.labels = outer
end

-- ---- variables

-- Returns the values of a list of expressions, as many as wanted.
function walker:adjusted(nodes, frame, wanted)
    local values = {}
    for index, node in ipairs(nodes) do
        if index == #nodes then
            local more = self:several(node, frame)
            table.move(more, 1, #more, index, values)
        else
            values[index] = self:eval(node, frame)
        end
    end
    for index = 1, wanted do values[index] = values[index] or value.NIL end
    return values
end

-- A number that is kept is the beginning of a sum.
function walker:kept(of, node)
    if not self.sums or of.terms or not node or node.k == "Local" or not value.wide(self.program, of) then return of end
    local copy = table.move(of, 1, #of, 1, { wide = of.wide })
    local known, constant = value.known(self.program, of)
    copy.terms = known and constant == 0 and {} or { self.m:term_of(of, node.line, self:text(node)) }
    return copy
end

function executors.Locals(self, node, frame)
    local values = self:adjusted(node.values, frame, #node.vars)
    for index, var in ipairs(node.vars) do
        frame.cells[var] = self.m.cell(self:kept(values[index], node.values[index]))
    end
end

function executors.LocalFunction(self, node, frame)
    local cells, cell = {}, self.m.cell()
    frame.cells[node.var] = cell
    for _, var in ipairs(node.proto.uppers) do cells[var] = frame.cells[var] end
    cell.of = value.new("closure", { proto = node.proto, cells = cells })
end

-- Whether a key is the place so many behind the end of a list.
function walker:is_end(line, one, key, behind)
    local length = not one.val.broken and key[1].kind == "int" and #key == 1 and self:measure(line, one)
    if not length or behind == 0 then return length == key[1].val end
    return key[1].val == self.program:make("add_i", length, self.program:int(behind))
end

-- Returns a function that assigns to the target; what the target consists of is evaluated now.
function walker:assignment(target, frame)
    local m = self.m
    if target.k == "Local" then
        local cell = frame.cells[target.var]
        return function(of)
            if cell.history then self:note_kept(target.line, cell, target.var.name, "changed") end
            m:write(cell, of)
        end
    elseif target.k == "Global" then
        return function()
            m:trap(ssa.TRUE, target.line, ("a file keeps no state: the global '%s' is set while deciding "
                .. "(make it local)"):format(target.name))
        end
    end
    local object = self:eval(target.object, frame)
    local keys = self:eval(target.key, frame)
    local known, key = value.known(self.program, keys)
    local one = object[1]
    if #object ~= 1 or one.kind ~= "table" then
        m.refuse(target.line, ("'%s' is changed, which is not a table of this call"):format(self:text(target.object)),
            "make the table in the function, by local")
    elseif not known and self:is_end(target.line, one, keys, 1) then
        return function(of) self:append(target.line, one, of) end
    elseif not known and self:is_end(target.line, one, keys, 0) then
        return function(of) self:replace_last(target.line, one, of) end
    elseif known and (key == nil or key ~= key) then
        m.refuse(target.line, "a table is changed under a key that is nil or no number", "write the key")
    elseif not known or one.val.late then
        keys = known and keys or self:late_key(target.line, keys)
        return function(of) self:put_late(target.line, one, keys, of) end
    end
    key = type(key) == "number" and math.tointeger(key) or key
    return function(of)
        self:note_write(target.line, one, key, of)
        local cells = one.val.cells
        cells[key] = cells[key] or m.cell()
        m:write(cells[key], of)
    end
end

function executors.Assign(self, node, frame)
    local writes = {}
    for index, target in ipairs(node.targets) do writes[index] = self:assignment(target, frame) end
    local values = self:adjusted(node.values, frame, #node.targets)
    -- From the last to the first, as Lua does it: one that is assigned twice keeps the first value.
    for index = #writes, 1, -1 do writes[index](self:kept(values[index], node.values[index])) end
end

function executors.CallStatement(self, node, frame)
    self:several(node.call, frame)
end

executors["Do"] = function(self, node, frame) self:block(node.body, frame) end

-- ---- branches

function executors.If(self, node, frame)
    local m = self.m
    local function clause(index)
        local this = node.clauses[index]
        if not this then
            if node.otherwise then self:block(node.otherwise, frame) end
            return
        end
        local truth = value.truth(self.program, self:eval(this.condition, frame))
        if m:dead() then return end
        self.truths[this.condition] = truth
        local outer = self.why
        -- Taken now: the same condition may be walked again inside, with other values.
        local yes = frame.sink and self:causes(this.condition, true)
        local no = frame.sink and self:causes(this.condition, false)
        m:fork(truth, function()
            self.why = yes
            self:block(this.body, frame)
        end, function()
            self.why = no
            clause(index + 1)
        end, self:text(this.condition))
        self.why = outer
    end
    clause(1)
end

-- ---- loops

-- Walks a loop: turn(index) says whether there is one more and walks it.
function walker:loop(frame, turn)
    local m = self.m
    local outer = frame.breaks
    frame.breaks = m:target()
    local index = 1
    while not m:dead() and turn(index) do index = index + 1 end
    local target = frame.breaks
    frame.breaks = outer
    m:join(target, {})
end

-- Leaves the loop where the truth does not hold. Returns false when that is everywhere. A loop that a row alone ends is
-- walked as often as it may run, up to a bound; turns counts. leaves: what takes more is left to Lua.
function walker:go_on(line, frame, truth, turns, leaves)
    local m = self.m
    local known = self.program:known_on(m.path, truth)
    if known ~= nil then return known, turns end
    local most = leaves and m:turns_of() or TURNS_MAX
    if turns >= most and not leaves then
        m.refuse(line, "how often this loop runs is known to a row only",
            "use for i = 1, N, or for _, x in ipairs(list) with a list of the file")
    end
    m:fork(truth, function()
        if turns >= most then m:leave_turns(ssa.TRUE, line, most) end
    end, function() m:jump(frame.breaks) end)
    return not m:dead(), turns + 1
end

executors["While"] = function(self, node, frame)
    local turns = 0
    self:loop(frame, function()
        local truth = value.truth(self.program, self:eval(node.condition, frame))
        local more
        more, turns = self:go_on(node.line, frame, truth, turns)
        if more then self:block(node.body, frame) end
        return more
    end)
end

executors["Repeat"] = function(self, node, frame)
    local turns = 0
    self:loop(frame, function()
        self:block(node.body, frame)
        if self.m:dead() then return false end
        local truth = value.truth(self.program, self:eval(node.condition, frame))
        local more
        more, turns = self:go_on(node.line, frame, self.program:lnot(truth), turns)
        return more
    end)
end

-- Walks a loop from one constant by another to what a row alone knows.
local function walk_to(self, node, frame, at, step, last)
    local m, program, turns = self.m, self.program, 0
    local left = {}
    for _, one in ipairs(value.apart(program, last)) do
        local kind = value.type(one)
        if kind == "number" then
            left[#left + 1] = { kind = one.kind, guard = one.guard, val = one.val }
        elseif kind == "string" then
            m:leave(one.guard, node.last.line, "a text is the bound of a loop")
        else
            m:trap(one.guard, node.last.line, function() return sentences.limit(one) end)
        end
    end
    if m:dead() then return end
    left.wide = last.wide
    local where = { op = step > 0 and "<=" or ">=", line = node.line, a = node.first, b = node.last }
    self:loop(frame, function()
        local now = value.constant(program, at)
        local more
        more, turns = self:go_on(node.line, frame, operate.binary(m, where, now, left)[1].val, turns, true)
        if not more then return false end
        m:step(node.line)
        frame.cells[node.var] = m.cell(now)
        self:block(node.body, frame)
        at = at + step
        return true
    end)
end

executors["For"] = function(self, node, frame)
    local bounds = {}
    local values = {}
    for index, bound in ipairs { node.first, node.last, node.step } do values[index] = self:eval(bound, frame) end
    if self.m:dead() then return end
    local known, first = value.known(self.program, values[1])
    local also, by = value.known(self.program, values[3] or value.constant(self.program, 1))
    if known and also and math.type(first) == "integer" and math.type(by) == "integer" and by ~= 0
        and math.abs(first) < WALKED_MAX and math.abs(by) < WALKED_MAX and not value.known(self.program, values[2]) then
        return walk_to(self, node, frame, first, by, values[2])
    end
    for index, bound in ipairs { node.first, node.last, node.step } do
        local is_known, constant = value.known(self.program, values[index])
        if not is_known or type(constant) ~= "number" then
            self.m.refuse(bound.line, ("a bound of this loop, '%s', is known to a row only"):format(self:text(bound)),
                "use numbers for the bounds, and leave by if ... then break end")
        end
        bounds[index] = constant
    end
    if bounds[3] == 0 then self.m.refuse(node.line, "the step of this loop is 0", "give it another step") end
    local at, last, step = bounds[1], bounds[2], bounds[3] or 1
    -- By Lua itself, with its rules for floats and overflow.
    local walk = coroutine.wrap(function()
        for number = at, last, step do coroutine.yield(number) end
    end)
    self:loop(frame, function()
        local number = walk()
        if not number then return false end
        frame.cells[node.var] = self.m.cell(value.constant(self.program, number))
        self.m:step(node.line)
        self:block(node.body, frame)
        return true
    end)
end

local function walk_list(self, node, frame, list)
    local m, turns = self.m, 0
    for _, one in ipairs(value.apart(self.program, list)) do
        if value.type(one) ~= "table" and value.type(one) ~= "string" then
            m:trap(one.guard, node.line, function() return sentences.list(ipairs, one) end)
        end
    end
    self:loop(frame, function(index)
        local at = value.constant(self.program, index)
        local where = { line = node.line, object = node.values[1], key = node.values[1] }
        local item = self:index(where, list, at)
        local more
        more, turns = self:go_on(node.line, frame, self.program:lnot(value.absent(self.program, item)), turns)
        if not more then return false end
        m:step(node.line)
        frame.cells[node.vars[1]] = m.cell(at)
        for extra = 2, #node.vars do
            frame.cells[node.vars[extra]] = m.cell(extra == 2 and value.present(self.program, item) or value.NIL)
        end
        self:block(node.body, frame)
        return true
    end)
end

executors["In"] = function(self, node, frame)
    local m = self.m
    local values = self:adjusted(node.values, frame, 2)
    if m:dead() then return end
    local known, by = value.known(self.program, values[1])
    if known and by == builtins.walk_list then return walk_list(self, node, frame, values[2]) end
    if known and by == builtins.walk_table then return self:walk_table(node, frame, values[2]) end
    if #values[1] == 1 and values[1][1].kind == "matches" then
        return self:walk_matches(node, frame, values[1][1].val)
    end
    m.refuse(node.line, "this loop goes by a function of its own",
        "use for i = 1, N with a number, or for _, x in ipairs(list) with a list of the file")
end

executors["Break"] = function(self, _, frame) self.m:jump(frame.breaks) end

executors["Goto"] = function(self, node, frame)
    local target = frame.labels[node.name]
    if not target then
        self.m.refuse(node.line, ("goto %s goes back"):format(node.name), "write a loop with a constant bound")
    end
    self.m:jump(target)
end

-- ---- leaving

-- Ends the path with these values: they go to the sink of a decision, or to the place of the call.
function walker:leave(node, frame, values)
    if not frame.sink then
        self.m:jump(frame.target, values)
        return
    end
    frame.sink(node, values)
    self.m:finish()
end

executors["Return"] = function(self, node, frame)
    local only = #node.values == 1 and node.values[1]
    if only and (only.k == "Call" or only.k == "Method") then
        self.m:step(node.line)
        local callee, args = self:prepare(only, frame)
        if self.m:dead() then return end
        local values, exact = self:call(only, callee, args, frame)
        values.ragged = exact == false
        -- What a function of the file returns is at its place already.
        if not self.m:dead() then self:leave(node, frame, values) end
        return
    end
    local values = {}
    for index, expression in ipairs(node.values) do
        if index == #node.values and index > 1 then
            local more, exact = self:several(expression, frame)
            table.move(more, 1, #more, index, values)
            values.ragged = exact == false
        else
            values[index] = self:eval(expression, frame)
        end
    end
    if self.m:dead() then return end
    self:leave(node, frame, values)
end

return walker
