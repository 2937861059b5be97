-- Programs that no compiler made, for the evaluators: they have every operation feed every other one whose operand it
-- can be, which a compiler that simplifies does not. What they mean is said by Lua (compiler/evaluate.lua).

local evaluate = require "compiler.evaluate"
local frame = require "fuzz.frame"
local native = require "fuzz.native"
local reasons = require "lib.reason"

local direct = {}

local CONSTANTS = {
    B = { true, false },
    I = { "0", "1", "-1", "2", "3", "-7", "63", "64", "-64", "4294967296", "9007199254740993", "9223372036854775807",
        "-9223372036854775808" },
    F = { "0x0p+0", "-0x0p+0", "0x1p+0", "-0x1.8p+0", "0x1p-1", "0x1p+53", "0x1p+63", "-0x1p+63", "inf", "-inf",
        "nan", "0x0.0000000000001p-1022",
        "0x1.4p+3", "0x1.fffffffffffffp+1023" },
    S = frame.TEXTS,
}
local builder = {}
builder.__index = builder

-- Adds an op; returns its index, from 0. uniform: it is the same for every node.
function builder:add(op, type, uniform)
    self.ops[#self.ops + 1] = op
    local index = #self.ops - 1
    self.uniform[index] = uniform
    table.insert(self.made[type], index)
    return index
end

function builder:constant_of(type)
    return self:add({ "const_" .. type:lower(), self.random:pick(CONSTANTS[type]) }, type, true)
end

-- Adds a field of a type; where there is none, a constant.
function builder:field(type, uniform)
    local paths = (uniform and self.kind.uniform_paths or self.kind.paths)[type]
    if #paths == 0 then return self:constant_of(type) end
    local path = self.random:pick(paths)
    return self:add({ "field", path }, type, path:find "^node%." == nil)
end

function builder:leaf(type, uniform)
    if self.random:once_in(3) then return self:constant_of(type) end
    return self:field(type, uniform)
end

-- Returns a value of a type: one that is there, or a new one.
function builder:value(type, uniform)
    local made = self.made[type]
    if type == "L" then
        return #made > 0 and not uniform and self.random:once_in(2) and self.random:pick(made)
            or self:op("parts_s", nil, nil, uniform)
    end
    if uniform then
        for _ = 1, 4 do
            local index = #made > 0 and self.random:pick(made)
            if index and self.uniform[index] then return index end
        end
        return self:leaf(type, true)
    end
    if #made == 0 or self.random:once_in(3) then return self:leaf(type) end
    return self.random:pick(made)
end

-- Adds the constant that an op has to have there.
function builder:constant(name, index)
    if name == "format_i" or name == "format_f" then
        local formats = name == "format_i" and { "%d", "%5x", "%.3f" } or { "%g", "%10.2f", "%+e" }
        return self:add({ "const_s", self.random:pick(formats) }, "S", true)
    end
    if name == "part_s" or name == "part_is" then
        return self:add({ "const_i", tostring(self.random:below(4) - 1) }, "I", true)
    elseif index == 2 then
        local pattern = self.random:pick(frame.PATTERNS)
        return self:add({ "const_s", name == "parts_s" and pattern:gsub("^%^", "") or pattern }, "S", true)
    end
    if name == "capture_s" then return self:add({ "const_i", "0" }, "I", true) end
    return self:add({ "const_s", self.random:pick { "", "-", "%0%0", "%%x" } }, "S", true)
end

-- Adds an op by name; `first`: the index of its operand number `at`. all_uniform: so are the others.
function builder:op(name, first, at, all_uniform)
    local types, operands = native.OPS[name].operands, {}
    local uniform = true
    if name == "map" then
        local path = self.random:pick(self.kind.paths.map)
        local key = first or self:value("S", self.random:once_in(2))
        return self:add({ "map", path, key }, "S", path:find "^node%." == nil and self.uniform[key])
    elseif name == "key_at" or name == "value_at" then
        local path = self.random:pick(self.kind.paths.map)
        local place = self:add({ "const_i", tostring(self.random:below(4) - 1) }, "I", true)
        return self:add({ name, path, place }, "S", path:find "^node%." == nil)
    end
    for index = 1, #types do
        local type = types:sub(index, index)
        operands[index] = index == at and first or type:find "%l" and self:constant(name, index)
            or self:value(type, all_uniform)
        uniform = uniform and self.uniform[operands[index]]
    end
    return self:add({ name, table.unpack(operands) }, native.OPS[name].type, uniform)
end

-- Adds the op `name` with operands that are uniform: for what feeds a map.
function builder:uniform_op(name)
    if name == "select_s" then
        local condition = self:op("is_nil", self:leaf("S", true), 1)
        return self:add({ name, condition, self:leaf("S", true), self:leaf("S", true) }, "S", true)
    elseif name == "map" then
        return self:add({ "map", self.random:pick(self.kind.uniform_paths.map), self:leaf("S", true) }, "S", true)
    elseif name == "field" then
        return self:field("S", true)
    end
    if name:find "^const_" then return self:constant_of "S" end
    return self:op(name, nil, nil, true)
end

-- Has one operation feed another.
function builder:feed(producer, consumer)
    local types = native.OPS[consumer].operands
    local type = native.OPS[producer].type
    local first
    local places = {}
    for at = 1, #types do
        local wanted = types:sub(at, at)
        if wanted:find "%u" and (type == "_" and wanted ~= "L" or wanted == type) then places[#places + 1] = at end
    end
    local at = #places > 0 and self.random:pick(places)
    if not at then return self:op(consumer) end -- a constant that it has anyhow
    local wanted = types:sub(at, at)
    if consumer == "map" and self.random:once_in(2) then
        first = self:uniform_op(producer)
    elseif producer == "field" then
        first = self:field(wanted)
    elseif producer:find "^const_" then
        first = self:constant_of(wanted)
    else
        first = self:op(producer)
    end
    return self:op(consumer, first, at)
end

local NAMES = {}
for name, op in pairs(native.OPS) do
    if op.operands ~= "" then NAMES[#NAMES + 1] = name end
end
table.sort(NAMES)

local PARTS = { B = {}, I = { "%d", "%x", "%5d" }, F = { "%.2f", "%g", "%.14g", "%e" }, S = {} }

function builder:reason(index, type)
    local formats, part = PARTS[type], { value = index }
    if #formats > 0 and self.random:once_in(2) then part.format = self.random:pick(formats) end
    return { "it has ", part }
end

-- Returns a program of a kind of policy. pairs: of names of ops, the first of which is to feed the second.
function direct.program(random, pairs_wanted, kind)
    local self = setmetatable({ random = random, kind = kind, ops = {}, uniform = {},
        made = { B = {}, I = {}, F = {}, S = {}, L = {} } }, builder)
    local shown = {}
    for _, pair in ipairs(pairs_wanted) do shown[#shown + 1] = self:feed(pair[1], pair[2]) end
    for _ = 1, random:below(8) do self:op(random:pick(NAMES)) end
    local kinds = {}
    for type, list in pairs(self.made) do
        for _, index in ipairs(list) do kinds[index] = type end
    end
    local program = { version = 1, rules = {}, terms = {}, traps = {} }
    local left
    local truths = {}
    for _, index in ipairs(shown) do
        local type, truth = kinds[index]
        if type == "L" then index, type = self:op("parts_n", index, 1), "I" end
        if type == "F" then
            program.terms[#program.terms + 1] = { value = index, line = 1, text = "" }
            truth = self:op("lt_f", index, random:below(2))
        elseif type == "I" then
            program.terms[#program.terms + 1] = { value = self:op("i2f", index, 1), line = 1, text = "" }
            truth = self:op("lt_i", index, random:below(2))
        elseif type == "S" then
            truth = self:op("eq_s", index, 1)
        else
            truth = index
        end
        -- Some say in part what one before them said: evaluators make masks simpler by that.
        if #truths > 0 and random:once_in(3) then
            truth = self:add({ "and", random:pick(truths), truth }, "B", false)
        end
        truths[#truths + 1] = truth
        local when = left and self:add({ "and", left, truth }, "B", false) or truth
        program.rules[#program.rules + 1] = {
            when = when, line = #program.rules + 1, text = "", reason = self:reason(index, type),
            asks = kind.name == "approval" and random:once_in(3) or nil,
        }
        local nothing = self:add({ "not", truth }, "B", false)
        left = left and self:add({ "and", left, nothing }, "B", false) or nothing
    end
    if random:once_in(3) then program.traps[1] = { when = self:value "B", line = 9, message = "attempt to be here" } end
    if kind.name == "placement" then
        program.score, program.score_line = self:value "F", 10
    else
        program.terms = {} -- of a score
    end
    program.ops = self.ops
    for _, list in ipairs { "rules", "terms", "traps" } do
        if #program[list] == 0 then program[list] = nil end
    end
    return program
end

-- Returns what a program (evaluate.prepare) says of what it is handed, as a policy's functions would.
function direct.answer(kind, prepared, ...)
    local handed = {}
    for index, arg in ipairs(kind.args) do handed[arg.object.name] = select(index, ...) end
    local made = evaluate.row(prepared, handed)
    if made.trap then return { line = made.line, sentence = ("%s:%d: %s"):format(kind.file, made.line, made.trap) } end
    if made.ok then return made.score end
    local reason = reasons.told(made.reason)
    return made.rule.asks and { asks = reason } or reason
end

return direct
