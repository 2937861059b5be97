-- Walks the tree of a decision function over all rows at once: expressions. What a call does is walked in the
-- caller's place; statements are in statements.lua, which adds them to the same walker.
--
--   walker   { m: the machine, program, loaded: what the file made, objects: {name, fields} of each, source }
--   frame    { cells by var, varargs, sink or target, breaks, labels, fn }: one call

local builtins = require "compiler.builtins"
local nearest = require "lib.nearest"
local operate = require "compiler.operate"
local sentences = require "compiler.sentences"
local ssa = require "compiler.ssa"
local texts = require "compiler.texts"
local value = require "compiler.value"

local walker = {}
walker.__index = walker

local CALLS_MAX = 40 -- calls within calls
local SELF_MAX = 20 -- of a function within itself
local FUNCTIONS_MAX = 16 -- of which a row chooses one to call
local TEXT_MAX = 120 -- bytes of source that a rule or a term shows

function walker.new(m, loaded, objects, source)
    return setmetatable({
        m = m, program = m.program, loaded = loaded, objects = objects, source = source,
        active = {}, calls = 0, statics = {}, variables = {},
        truths = {}, -- of the parts of conditions, when they were walked last
    }, walker)
end

-- Returns the source of an expression, on one line.
function walker:text(node)
    local text = self.source:sub(node.from, node.to):gsub("%s+", " ")
    if #text <= TEXT_MAX then return text end
    return text:sub(1, utf8.offset(text, 0, TEXT_MAX - 2) - 1) .. "..."
end

-- ---- what the file made

-- Returns the value for something of the real Lua.
function walker:lift(real)
    if type(real) == "table" or type(real) == "function" then
        -- The same thing is the same value, so that comparing and merging it stay cheap.
        self.statics[real] = self.statics[real] or value.new("static", real)
        return self.statics[real]
    end
    return value.constant(self.program, real)
end

-- Returns the cell of a variable of the file. What a decision puts into it is there for the next one, for which nobody
-- knows which that is: so nothing may be read that another decision can have put there. `history` says, for all
-- functions of the file, whether it is changed, and whether what was in it before is read.
function walker:kept_cell(held)
    local cell = self.variables[held.id]
    if not cell then
        local histories = self.loaded.histories
        histories[held.id] = histories[held.id] or {}
        cell = self.m.cell(self:lift(held.real))
        cell.history, cell.changed = histories[held.id], self.m.cell(value.new("bool", ssa.FALSE))
        self.variables[held.id] = cell
    end
    return cell
end

-- Notes what is done with a variable of the file. what: "read" or "changed".
function walker:note_kept(line, cell, name, what)
    local history = cell.history
    if what == "read" then
        local changed = value.truth(self.program, cell.changed.of)
        if self.program:known_on(self.m.path, changed) == true then return end
    else
        self.m:write(cell.changed, value.new("bool", ssa.TRUE))
    end
    history[what] = history[what] or line
    if history.read and history.changed then
        self.m.refuse(line, ("'%s' is kept from row to row"):format(name),
            "use a local of the function, or set it before it is read: each row is decided by itself")
    end
end

-- Returns the proto of a function of the file and the cells of its outer variables.
function walker:open_function(fn)
    local proto = self.loaded.protos[debug.getinfo(fn, "S").lastlinedefined]
    local values, cells = {}, {}
    for index = 1, 255 do
        local name, real = debug.getupvalue(fn, index)
        if not name then break end
        values[name] = { real = real, id = debug.upvalueid(fn, index) }
    end
    for _, var in ipairs(proto.uppers) do
        local held = values[var.name]
        if held then
            cells[var] = self:kept_cell(held)
        else -- Lua knew its value and put that in its place
            cells[var] = { of = self:eval(var.value, { cells = {} }) }
        end
    end
    return proto, cells
end

-- ---- indexing

-- Returns what the file's author calls an object ("node") or a map of it ("node.labels").
function walker:called(path)
    return (path:gsub("^%a+", function(object) return self.objects[object].name end))
end

-- Returns a field of an object whose name is known.
function walker:field_of(node, object, name)
    local fields = self.objects[object].fields
    local field = fields[name]
    if not field then
        local names = {}
        for each in pairs(fields) do names[#names + 1] = each end
        table.sort(names)
        local text = type(name) == "string" and name or type(name)
        self.m.problem(node.line, ("%s has no field '%s'%s"):format(self:called(object), text,
            nearest.hint(text, names)))
    end
    if field.kind == "map" then return value.new("map", object .. "." .. name) end
    return value.new(field.kind, self.program:field(object, name, field.type, field.kind == "text"))
end

-- Returns a field of an object. A row may choose its name from names that are written down.
function walker:field(node, object, key)
    local m, program, result = self.m, self.program, nil
    local known, name = value.known(program, key)
    if known then return self:field_of(node, object, name) end
    local function refuse()
        m.refuse(node.line, ("a field of %s is named by a value"):format(self:called(object)),
            "write the field's name, or choose it from names that are written down")
    end
    for _, one in ipairs(value.apart(program, key)) do
        if program:known_on(m.path, one.guard) ~= false then
            local text = value.type(one) == "string" and texts.of(program, one)
            local named = text and program:each_choice(text, function(id)
                local guard = program:land(one.guard, program:eq_s(text, id))
                if program:known_on(m.path, guard) == false then return end
                local found = self:field_of(node, object, program:value(id))
                result = result and m:merge(guard, found, result) or found
            end)
            if not named then refuse() end
        end
    end
    return result or refuse()
end

local function normal(key)
    return math.tointeger(key) or key
end

local function is_table(one)
    return one.kind == "table" or (one.kind == "static" and type(one.val) == "table")
end

-- Returns what a table has under a key, but for what was put there under keys that only a row knows.
function walker:look_up_early(node, one, key)
    local m, program = self.m, self.program
    local known, constant = value.known(program, key)
    if known then
        if constant == nil then return value.NIL end
        constant = type(constant) == "number" and normal(constant) or constant
        if one.kind == "static" then return self:lift(rawget(one.val, constant)) end
        local cell = one.val.cells[constant]
        return cell and cell.of or value.NIL
    end
    local entries, result = self:entries(node.line, one, true), value.NIL
    for _, entry in ipairs(entries) do
        m:step(node.line)
        local same = operate.equal(m, node, key, value.constant(program, entry.key))
        result = m:merge(same, entry.of, result)
    end
    return result
end

-- Returns what a table has under a key.
function walker:look_up(node, one, key)
    local m, result = self.m, self:look_up_early(node, one, key)
    for _, late in ipairs(one.kind == "table" and one.val.late or {}) do
        local put = value.truth(self.program, late.put.of)
        if put ~= ssa.FALSE then
            m:step(node.line)
            local same = self.program:land(put, operate.equal(m, node, key, late.key))
            result = m:merge(same, late.cell.of, result)
        end
    end
    return result
end

-- Returns what a map of labels has under a key.
function walker:label(node, map, key)
    local program, result = self.program, nil
    for _, one in ipairs(value.apart(program, key)) do
        local found = value.NIL
        if one.kind == "text" or one.kind == "made" then
            found = value.new("option", program:map(map, texts.must(self.m, node.line, one)))
        end
        result = result and value.merge(program, one.guard, found, result) or found
    end
    return result
end

-- Returns object[key].
function walker:index(node, object, key)
    local m, program, result = self.m, self.program, nil
    local alternatives = value.apart(program, object)
    for _, one in ipairs(alternatives) do
        local found
        if one.kind == "object" then found = self:field(node, one.val, key)
        elseif one.kind == "map" then found = self:label(node, one.val, key)
        elseif is_table(one) then found = self:look_up(node, one, key)
        elseif one.kind == "text" or one.kind == "made" then
            local known, name = value.known(program, key)
            found = self:lift(known and self.loaded.methods[name] or nil)
        else
            m:trap(one.guard, node.line, function() return sentences.index(node.object, one, node.key) end)
        end
        if found then result = result and m:merge(one.guard, found, result) or found end
    end
    if not result then m:finish() end
    return result or value.NIL
end

-- ---- calls

-- Walks the body of a function in this place. With `frame` it is what that frame returns. Returns a list of values,
-- and whether it is as long on every path.
function walker:enter(node, proto, cells, args, frame)
    local m = self.m
    local depth = self.active[proto] or 0
    if depth >= SELF_MAX then
        m.refuse(node.line, ("a function may call itself more than %d deep"):format(SELF_MAX),
            "write a loop with a constant bound")
    end
    if self.calls >= CALLS_MAX then m.refuse(node.line, "calls are nested too deep", "call less") end
    local inner = { cells = setmetatable({}, { __index = cells }), varargs = {}, labels = {}, fn = proto }
    for index, var in ipairs(proto.params) do inner.cells[var] = m.cell(args[index]) end
    if proto.vararg then inner.varargs = table.move(args, #proto.params + 1, #args, 1, {}) end
    inner.sink = frame and frame.sink
    inner.target = not inner.sink and (frame and frame.target or m:target()) or nil
    self.active[proto], self.calls = depth + 1, self.calls + 1
    local why = self.why
    self:block(proto.body, inner)
    self.why = why
    self.active[proto], self.calls = depth, self.calls - 1
    if frame then
        if not m:dead() then self:leave(node, inner, {}) end
        return {}, true
    end
    return m:join(inner.target, not m:dead() and {} or nil)
end

-- Calls what is one alternative of a function.
function walker:call_one(node, one, args, frame)
    local name = node.k == "Method" and node.name or node.fn.k == "Index" and node.fn.key.v or
        node.fn.name or (node.fn.var and node.fn.var.name)
    if one.kind == "matches" then
        self.m.refuse(node.line, "what string.gmatch returns is called", "go by it in a loop, or use string.match")
    end
    if one.kind == "closure" then return self:enter(node, one.val.proto, one.val.cells, args, frame) end
    if builtins.is(one.val) then
        local values, exact = builtins.call {
            m = self.m, node = node, args = args, fn = one.val, name = type(name) == "string" and name or "?",
            method = node.k == "Method", walker = self,
        }
        return values, exact ~= false
    end
    if debug.getinfo(one.val, "S").what ~= "Lua" then
        self.m.refuse(node.line, "a function is called that remembers something", "call functions of the file")
    end
    local proto, cells = self:open_function(one.val)
    return self:enter(node, proto, cells, args, frame)
end

-- Calls a value. Returns a list of values, and whether it is as long on every path.
function walker:call(node, callee, args, frame)
    local m, fits = self.m, {}
    for _, one in ipairs(value.apart(self.program, callee)) do
        if value.type(one) == "function" then
            fits[#fits + 1] = one
        else
            m:trap(one.guard, node.line, function() return sentences.call(node.fn or node, one) end)
        end
    end
    if #fits == 0 then m:finish() end
    if m:dead() then return {}, true end
    if #fits > 1 then return self:call_each(node, fits, args, frame) end
    return self:call_one(node, fits[1], args, frame)
end

-- Calls on each row its own one of several functions.
function walker:call_each(node, fits, args, frame)
    local m = self.m
    if #fits > FUNCTIONS_MAX then
        m.refuse(node.line, "which of too many functions is called is known to a row only", "call fewer")
    end
    local target = not frame and m:target()
    local function try(index)
        local function this()
            local values, exact = self:call_one(node, fits[index], args, frame)
            values.ragged = exact == false
            if frame and not m:dead() then self:leave(node, frame, values) end
            if target then m:jump(target, values) end
        end
        if index == #fits then return this() end
        m:fork(fits[index].guard, this, function() try(index + 1) end)
    end
    try(1)
    if frame then return {}, true end
    return m:join(target)
end

-- Returns the values of arguments; the last may be several.
function walker:list(nodes, frame)
    local values = {}
    for index, node in ipairs(nodes) do
        if index == #nodes then
            local more, exact = self:several(node, frame)
            if exact == false then
                self.m.refuse(node.line, "it returns now more values, now fewer",
                    "return as many values everywhere")
            end
            table.move(more, 1, #more, index, values)
        else
            values[index] = self:eval(node, frame)
        end
    end
    return values
end

-- The callee of a call and its arguments.
function walker:prepare(node, frame)
    if node.k == "Call" then
        local callee = self:eval(node.fn, frame)
        return callee, self:list(node.args, frame)
    end
    local object = self:eval(node.object, frame)
    local key = { k = "String", v = node.name }
    local callee = self:index({ line = node.line, object = node.object, key = key }, object,
        value.constant(self.program, node.name))
    local args = self:list(node.args, frame)
    table.insert(args, 1, object)
    return callee, args
end

-- ---- expressions

local evaluators = {}

-- Returns the value of an expression: of several, the first.
function walker:eval(node, frame)
    if self.m:dead() then return value.NIL end
    self.m:step(node.line)
    local evaluate = evaluators[node.k]
    if evaluate then return evaluate(self, node, frame) end
    return self:several(node, frame)[1] or value.NIL
end

-- Returns all values of an expression as a list, and whether it is as long on every path.
function walker:several(node, frame)
    if node.k == "Vararg" then return frame.varargs, true end
    if node.k ~= "Call" and node.k ~= "Method" then return { self:eval(node, frame) }, true end
    if self.m:dead() then return {}, true end
    self.m:step(node.line)
    local callee, args = self:prepare(node, frame)
    if self.m:dead() then return {}, true end
    return self:call(node, callee, args)
end

function evaluators.Nil() return value.NIL end
function evaluators.True() return value.new("bool", ssa.TRUE) end
function evaluators.False() return value.new("bool", ssa.FALSE) end
function evaluators.Number(self, node) return value.constant(self.program, node.v) end
function evaluators.String(self, node) return value.constant(self.program, node.v) end
function evaluators.Paren(self, node, frame) return self:eval(node.a, frame) end

function evaluators.Function(_, node, frame)
    local cells = {}
    for _, var in ipairs(node.proto.uppers) do cells[var] = frame.cells[var] end
    return value.new("closure", { proto = node.proto, cells = cells })
end

function evaluators.Local(self, node, frame)
    local cell = frame.cells[node.var]
    if not cell then self.m.refuse(node.line, ("'%s' is not known here"):format(node.var.name), "make it simpler") end
    if cell.history then self:note_kept(node.line, cell, node.var.name, "read") end
    return cell.of
end

function evaluators.Global(self, node)
    local real = rawget(self.loaded.globals, node.name)
    if real == nil then
        local names = {}
        for name in next, self.loaded.globals do names[#names + 1] = name end
        table.sort(names)
        self.m:trap(ssa.TRUE, node.line, ("there is no '%s' here%s"):format(node.name,
            nearest.hint(node.name, names)))
        return value.NIL
    end
    return self:lift(real)
end

function evaluators.Index(self, node, frame)
    local object = self:eval(node.object, frame)
    local key = self:eval(node.key, frame)
    return self.m:dead() and value.NIL or self:index(node, object, key)
end

-- Puts what a table begins with under a key.
function walker:put_item(line, made, key, node, frame)
    local known, constant = value.known(self.program, key)
    if known and (constant == nil or constant ~= constant) then
        self.m.refuse(line, "a table is made with a key that is nil or no number", "write the key")
    end
    if not known or made.late then
        key = known and key or self:late_key(line, key)
        return self:put_late(line, { val = made }, key, self:eval(node, frame))
    end
    constant = type(constant) == "number" and normal(constant) or constant
    made.cells[constant] = self.m.cell(self:eval(node, frame))
    made.broken = made.broken or math.type(constant) == "integer" or nil
end

local LIST_PART = 50

-- What stands in a list is kept until so many of it are there, or the table ends: only then it is put into the table,
-- over what was put there by name.
function evaluators.Table(self, node, frame)
    local made, part, count = { cells = {} }, {}, 0
    local function put_part()
        for index, cell in ipairs(part) do made.cells[count + index] = cell end
        part, count = {}, count + #part
    end
    for index, item in ipairs(node.items) do
        if #part == LIST_PART then put_part() end
        if item.key then
            self:put_item(node.line, made, self:eval(item.key, frame), item.value, frame)
        else
            local values = index == #node.items and self:list({ item.value }, frame)
                or { self:eval(item.value, frame) }
            for _, of in ipairs(values) do
                part[#part + 1] = self.m.cell(of)
            end
        end
    end
    put_part()
    made.broken = made.broken or self:has_holes({ val = made }, count) or nil
    return value.new("table", made)
end

function evaluators.Unary(self, node, frame)
    local m, of = self.m, self:eval(node.a, frame)
    if node.op ~= "#" then return operate.unary(m, node, of) end
    local known, constant = value.known(self.program, of)
    if known and type(constant) == "string" then return value.constant(self.program, #constant) end
    local result
    for _, one in ipairs(value.apart(self.program, of)) do
        local length
        if is_table(one) then
            local measured = self:measure(node.line, one)
            length = measured and value.new("int", measured)
        elseif value.type(one) == "string" then length = value.new("int", texts.length(m, node.line, one))
        elseif value.type(one) ~= "table" then
            m:trap(one.guard, node.line, function() return sentences.unary("#", node.a, one) end)
            length = value.constant(self.program, 0)
        end
        if not length then
            m.refuse(node.line, ("the length of '%s' is known to a row only"):format(self:text(node.a)),
                "let the list grow at its end alone, by t[#t + 1] = value")
        end
        result = result and value.merge(self.program, one.guard, length, result) or length
    end
    return result
end

local function short_circuit(self, node, frame, otherwise)
    local m, program = self.m, self.program
    local a = self:eval(node.a, frame)
    local truth = value.truth(program, a)
    self.truths[node.a], self.truths[node.b] = truth, nil
    local function right()
        local b = self:eval(node.b, frame)
        self.truths[node.b] = value.truth(program, b)
        return b
    end
    local result
    if otherwise then -- or
        local kept = value.if_true(a)
        result = m:fork(truth, function() return kept end, right)
    else
        local kept = value.if_false(program, a)
        result = m:fork(truth, right, function() return kept end)
    end
    return result or value.NIL
end

function evaluators.And(self, node, frame) return short_circuit(self, node, frame, false) end
function evaluators.Or(self, node, frame) return short_circuit(self, node, frame, true) end

-- The terms of an operand of a sum.
function walker:terms(of, node, negative)
    local terms = of.terms or { self.m:term_of(of, node.line, self:text(node)) }
    if not negative then return terms end
    local turned = {}
    for index, term in ipairs(terms) do
        local simple = term.text:find "^%b()$" or not term.text:find "[%s]"
        turned[index] = { val = self.program:make("neg_f", term.val), line = term.line,
            text = (simple and "-%s" or "-(%s)"):format(term.text) }
    end
    return turned
end

function evaluators.Binary(self, node, frame)
    local a = self:eval(node.a, frame)
    local b = self:eval(node.b, frame)
    if self.m:dead() then return value.NIL end
    local result = operate.binary(self.m, node, a, b)
    if self.sums and (node.op == "+" or node.op == "-") and value.wide(self.program, result) then
        local terms = table.move(self:terms(a, node.a), 1, 64, 1, {})
        local more = self:terms(b, node.b, node.op == "-")
        table.move(more, 1, #more, #terms + 1, terms)
        result.terms = #terms <= 64 and terms or nil
    end
    return result
end

return walker
