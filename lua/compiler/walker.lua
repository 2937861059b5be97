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
local FUNCTIONS_MAX = 16 -- of which a row chooses one to call
local CHAIN_MAX = 256 -- entries of a table that is asked for what only a row knows
local TEXT_MAX = 120 -- bytes of source that a rule or a term shows

function walker.new(m, loaded, objects, source)
    return setmetatable({
        m = m, program = m.program, loaded = loaded, objects = objects, source = source,
        active = {}, calls = 0, statics = {},
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

-- Returns the proto of a function of the file and the cells of its outer variables.
function walker:open_function(fn)
    local proto = self.loaded.protos[debug.getinfo(fn, "S").lastlinedefined]
    local values, cells = {}, {}
    for index = 1, 255 do
        local name, real = debug.getupvalue(fn, index)
        if not name then break end
        values[name] = { real = real }
    end
    for _, var in ipairs(proto.uppers) do
        local held = values[var.name]
        if held then
            cells[var] = { of = self:lift(held.real), fixed = true }
        else -- Lua knew its value and put that in its place
            cells[var] = { of = self:eval(var.value, { cells = {} }), fixed = true }
        end
    end
    return proto, cells
end

-- ---- indexing

-- Returns what the file's author calls an object ("node") or a map of it ("node.labels").
function walker:called(path)
    return (path:gsub("^%a+", function(object) return self.objects[object].name end))
end

-- Returns a field of an object.
function walker:field(node, object, key)
    local known, name = value.known(self.program, key)
    if not known then
        self.m.refuse(node.line, ("a field of %s is named by a value"):format(self:called(object)),
            "write the field's name")
    end
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

-- As lua/lib/ordered.lua goes through them.
local RANKS = { number = 1, string = 2, boolean = 3 }

local function entry_order(a, b)
    if type(a.key) ~= type(b.key) then return RANKS[type(a.key)] < RANKS[type(b.key)] end
    if type(a.key) == "boolean" then return b.key and not a.key end
    return a.key < b.key
end

-- Returns the entries {key, of} of a table of the file or of the decision, in order, and whether it has others, whose
-- keys are tables or functions. There may be CHAIN_MAX.
function walker:entries(line, one)
    local entries, others = {}, false
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

local function normal(key)
    return math.tointeger(key) or key
end

local function is_table(one)
    return one.kind == "table" or (one.kind == "static" and type(one.val) == "table")
end

-- Returns what a table has under a key.
function walker:look_up(node, one, key)
    local m, program = self.m, self.program
    local known, constant = value.known(program, key)
    if known then
        if constant == nil then return value.NIL end
        constant = type(constant) == "number" and normal(constant) or constant
        if one.kind == "static" then return self:lift(rawget(one.val, constant)) end
        local cell = one.val.cells[constant]
        return cell and cell.of or value.NIL
    end
    local entries, result = self:entries(node.line, one), value.NIL
    for _, entry in ipairs(entries) do
        m:step(node.line)
        local same = operate.equal(m, node, key, value.constant(program, entry.key))
        result = m:merge(same, entry.of, result)
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
    if self.active[proto] then
        m.refuse(node.line, "a function calls itself", "write a loop with a constant bound")
    end
    if self.calls >= CALLS_MAX then m.refuse(node.line, "calls are nested too deep", "call less") end
    local inner = { cells = setmetatable({}, { __index = cells }), varargs = {}, labels = {}, fn = proto }
    for index, var in ipairs(proto.params) do inner.cells[var] = m.cell(args[index]) end
    if proto.vararg then inner.varargs = table.move(args, #proto.params + 1, #args, 1, {}) end
    inner.sink = frame and frame.sink
    inner.target = not inner.sink and (frame and frame.target or m:target()) or nil
    self.active[proto], self.calls = true, self.calls + 1
    local why = self.why
    self:block(proto.body, inner)
    self.why = why
    self.active[proto], self.calls = nil, self.calls - 1
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
    return self:index(node, object, self:eval(node.key, frame))
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
            local known, key = value.known(self.program, self:eval(item.key, frame))
            if not known or key == nil or key ~= key then
                self.m.refuse(node.line, "a table is made with a key that only a row knows", "write the key")
            end
            made.cells[type(key) == "number" and normal(key) or key] = self.m.cell(self:eval(item.value, frame))
            made.broken = made.broken or (type(key) == "number" and math.type(normal(key)) == "integer") or nil
        else
            local values = index == #node.items and self:list({ item.value }, frame)
                or { self:eval(item.value, frame) }
            for _, of in ipairs(values) do
                part[#part + 1] = self.m.cell(of)
                made.broken = made.broken or self:may_be_nil(of) or nil
            end
        end
    end
    put_part()
    return value.new("table", made)
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
    local count = 0
    while true do
        self.m:step(line)
        local cell = one.val.cells[count + 1]
        if not cell or is_nil(cell) then
            if one.val.broken and goes_on(one, count) then return nil end
            return count
        end
        if value.find(value.apart(self.program, cell.of), "nil") then return nil end
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
    if one.val.broken then return nil end
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

-- Notes that a table of the decision gets a value under a constant key.
function walker:note_write(line, one, key, of)
    if math.type(key) ~= "integer" then return end
    local length = self:length(line, one)
    if not length or key < 1 or key > length + 1 or self:may_be_nil(of) then
        one.val.broken = true
    end
end

-- Puts a value behind the end of a list, wherever that is on a row.
function walker:append(line, one, of)
    local m, program = self.m, self.program
    if self:may_be_nil(of) then
        m.refuse(line, "what is put at the end of a list may be nil", "check it before")
    end
    of = value.present(program, of)
    local most, guards, before = self:most(line, one), {}, ssa.TRUE
    for index = 1, most do
        local here = self:present(one, index)
        guards[index], before = program:land(before, program:lnot(here)), here
    end
    guards[most + 1] = before
    local cells = one.val.cells
    cells[most + 1] = m.cell()
    for index = 1, most + 1 do m:write(cells[index], m:merge(guards[index], of, cells[index].of)) end
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
