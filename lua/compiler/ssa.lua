-- The program under construction: values that are made once, of values that are there already.
--
-- A value is an index into `ops`. What says the same is the same value (hash-consing), what is known is a
-- constant, and truths are simplified, since every path through a policy is one. Nothing here may change a
-- result by a bit: arithmetic is folded by doing it, and not where it gives NaN, whose sign a constant would lose.

local patterns = require "compiler.patterns"
local ranges = require "compiler.ranges"

local ssa = {}
ssa.__index = ssa

local VALUES_MAX = 20000 -- far more than a program may have: much of what is made is not used in the end

-- The type of what an operation makes.
local TYPES = {
    B = [[const_b and or xor not select_b is_nil lt_i le_i eq_i ult_i lt_f le_f eq_f lt_if le_if lt_fi le_fi eq_if
        is_int_f eq_s is_num_i is_num_f lt_s le_s part_is]],
    I = [[const_i select_i add_i sub_i mul_i neg_i idiv_i mod_i fmod_i band bor bxor bnot shl shr abs_i f2i num_i
        len_s find_s match_at match_end gsub_n byte_s parts_n]],
    F = [[const_f select_f add_f sub_f mul_f div_f idiv_f mod_f pow_f neg_f floor_f ceil_f sqrt_f abs_f fmod_f
        exp log log2 log10 sin cos tan i2f num_f]],
    S = [[const_s select_s map key_at value_at sub_s lower_s upper_s reverse_s concat_s capture_s gsub_s text_i text_f
        format_i format_f part_s]],
    L = "parts_s",
}
local type_of = {}
for type, names in pairs(TYPES) do
    for name in names:gmatch "%S+" do type_of[name] = type end
end

-- Texts that are there wherever what they are made of is.
local PRESENT = { sub_s = true, lower_s = true, upper_s = true, reverse_s = true, concat_s = true, gsub_s = true,
    text_i = true, text_f = true, format_i = true, format_f = true }

-- Texts of floats: of a NaN its sign may be another than Lua's. They are for reasons alone.
local LOOSE = { text_f = true, format_f = true }

local READ_MAX, KEY_MAX, MADE_MAX = 256, 63, 16384 -- bytes of a text, as in core/policy

-- How constants are folded. Without an entry: not. Times one, because -0.0 + 0.0 is no longer -0.0.
local function wide(fn) return function(a, b) return fn(a * 1.0, b and b * 1.0) end end
local FOLDS = {
    lt_i = function(a, b) return a < b end, le_i = function(a, b) return a <= b end,
    ult_i = math.ult, abs_i = math.abs,
    add_i = function(a, b) return a + b end, sub_i = function(a, b) return a - b end,
    mul_i = function(a, b) return a * b end, neg_i = function(a) return -a end,
    idiv_i = function(a, b) return b == 0 and 0 or a // b end, mod_i = function(a, b) return b == 0 and 0 or a % b end,
    fmod_i = function(a, b) return b == 0 and 0 or math.fmod(a, b) end,
    band = function(a, b) return a & b end, bor = function(a, b) return a | b end,
    bxor = function(a, b) return a ~ b end, bnot = function(a) return ~a end,
    shl = function(a, b) return a << b end, shr = function(a, b) return a >> b end,
    add_f = function(a, b) return a + b end, sub_f = function(a, b) return a - b end,
    mul_f = function(a, b) return a * b end, div_f = function(a, b) return a / b end,
    idiv_f = function(a, b) return a // b end, mod_f = function(a, b) return a % b end,
    pow_f = function(a, b) return a ^ b end, neg_f = function(a) return -a end, abs_f = math.abs,
    floor_f = ranges.floor, ceil_f = function(a) return -ranges.floor(-a) end,
    sqrt_f = math.sqrt, fmod_f = wide(math.fmod),
    i2f = function(a) return a + 0.0 end,
    f2i = function(a) return math.tointeger(a) or 0 end, is_int_f = function(a) return math.tointeger(a) ~= nil end,
}
for _, name in ipairs { "lt", "le" } do
    for _, types in ipairs { "f", "if", "fi" } do FOLDS[name .. "_" .. types] = FOLDS[name .. "_i"] end
end
for _, name in ipairs { "eq_i", "eq_f", "eq_if" } do
    FOLDS[name] = function(a, b) return a == b end
end

local COMMUTES = { ["and"] = true, ["or"] = true, eq_i = true, eq_f = true, eq_s = true, add_i = true, mul_i = true,
    band = true, bor = true, bxor = true }

ssa.TRUE, ssa.FALSE = 1, 2
ssa.MATCHES_MAX = 32 -- of gmatch, as in core/policy/program.h
local TRUE, FALSE = ssa.TRUE, ssa.FALSE

function ssa.new()
    local self = setmetatable({ ops = {}, known = {} }, ssa)
    assert(self:bool(true) == TRUE and self:bool(false) == FALSE)
    return self
end

-- ---- making values

-- Keys of constants are none that an operation could have: a text may be whatever its author likes.
-- An op is {name, operands...; type, const, range, on: "node", "workload" or nil: what it depends on at most}.
function ssa:intern(key, op)
    local id = self.known[key]
    if id then return id end
    if #self.ops >= VALUES_MAX then error({ limit = "it makes too many values" }, 0) end
    id = #self.ops + 1
    self.ops[id] = op
    self.known[key] = id
    return id
end

function ssa:bool(value)
    return self:intern("b" .. tostring(value), { "const_b", value, type = "B", const = true })
end

function ssa:int(value)
    local op = { "const_i", value, type = "I", const = true, range = ranges.integer(value, value) }
    return self:intern("i" .. value, op)
end

function ssa:float(value)
    local op = { "const_f", value, type = "F", const = true, range = ranges.float(value) }
    return self:intern("f:" .. string.pack("n", value), op)
end

function ssa:text(value)
    return self:intern("s:" .. value, { "const_s", value, type = "S", const = true })
end

-- A field of an object: type as in the program; `present`: it is a text, never absent.
function ssa:field(object, name, type, present)
    local op = { "field", object .. "." .. name, type = type, on = object, present = present }
    return self:intern("." .. object .. "." .. name, op)
end

local function later(a, b)
    return (a == "node" or b == "node") and "node" or a or b
end

-- An operation on values.
function ssa:make(name, a, b, c)
    if COMMUTES[name] and b < a then a, b = b, a end
    local x, y, z = self.ops[a], self.ops[b], self.ops[c]
    local fold = FOLDS[name]
    if fold and x.const and (not y or y.const) then
        local value = fold(x[2], y and y[2])
        if value == value then return self:constant(value, type_of[name]) end
    end
    local op = { name, a, b, c, type = type_of[name], on = later(x.on, later(y and y.on, z and z.on)) }
    op.range = ranges.of(name, x, y, z)
    op.present = PRESENT[name]
    if op.type == "S" or op.type == "L" then
        op.longest = self:longest_of(op)
        op.makes = PRESENT[name] or name == "capture_s" or name == "part_s" or name == "parts_s"
        op.loose = LOOSE[name] or x.loose or (y and y.loose) or (z and z.loose)
    end
    return self:intern(("%s %d %d %d"):format(name, a, b or 0, c or 0), op)
end

function ssa:constant(value, type)
    if type == "S" then return self:text(value) end
    if type == "B" then return self:bool(value) end
    if type == "I" then return self:int(value) end
    return self:float(value)
end

-- Returns how many bytes a text has at most, if those of fields are no longer than READ_MAX.
function ssa:longest(id)
    local op = self.ops[id]
    return op.const and #op[2] or op.longest or READ_MAX
end

function ssa:longest_of(op)
    local name = op[1]
    if name == "text_i" or name == "text_f" then return 24 end
    if name == "format_i" or name == "format_f" then return 512 end
    if name == "select_s" then return math.max(self:longest(op[3]), self:longest(op[4])) end
    if name == "part_s" then return self:longest(self.ops[op[2]][2]) end
    local length = self:longest(op[2])
    if name == "sub_s" then
        local first, last = self.ops[op[3]], self.ops[op[4]]
        if first.const and last.const and first[2] ~= 0 and (first[2] < 0) == (last[2] < 0) then
            local span = last[2] - first[2]
            length = math.min(length, span < 0 and 0 or span + 1)
        end
    elseif name == "parts_s" then
        local captures = math.max(1, patterns.read(self:value(op[3])))
        length = captures * length + 2 * (captures * ssa.MATCHES_MAX + 1)
    elseif name == "concat_s" then
        length = length + self:longest(op[3])
    elseif name == "gsub_s" then
        local replacement = self:value(op[4])
        local _, names = replacement:gsub("%%%d", "")
        local others = #replacement:gsub("%%.", function(two) return two == "%%" and "%" or "" end)
        length = length + (length + 1) * others + names * length
    end
    if length > MADE_MAX then error({ limit = "it makes a text that is too long" }, 0) end
    return length
end

-- Whether a text has a float in it, of which Lua might write another.
function ssa:is_loose(id) return self.ops[id].loose end

function ssa:is_const(id) return self.ops[id].const end

-- Returns the value of a constant.
function ssa:value(id) return self.ops[id][2] end

-- ---- truths

function ssa:lnot(a)
    if a == TRUE then return FALSE elseif a == FALSE then return TRUE end
    local op = self.ops[a]
    if op[1] == "not" then return op[2] end
    if op[1] == "or" and (self.ops[op[2]][1] == "not" or self.ops[op[3]][1] == "not") then
        return self:land(self:lnot(op[2]), self:lnot(op[3])) -- which tells more of what it is made of
    end
    return self:make("not", a)
end

-- Whether a, which holds, says something of b: true, false or nil.
local function tells(self, a, b)
    if a == b then return true end
    local x, y = self.ops[a], self.ops[b]
    if x[1] == "not" and x[2] == b then return false end
    if x[1] == "not" and y[1] == "lt_i" then
        local inner = self.ops[x[2]] -- what is not more than 4 is not more than 5
        local k, l = self.ops[inner[2]], self.ops[y[2]]
        if inner[1] == "lt_i" and inner[3] == y[3] and k.const and l.const and l[2] >= k[2] then return false end
    end
    if y[1] == "not" then
        if y[2] == a then return false end
        local inner = tells(self, a, y[2])
        if inner ~= nil then return not inner end
        return nil
    end
    if x[1] == "eq_s" and y[1] == "eq_s" then
        -- One text is not two: the constant is the operand that is made first, or not.
        for _, pair in ipairs { { 2, 3 }, { 3, 2 } } do
            for _, other in ipairs { { 2, 3 }, { 3, 2 } } do
                local k, l = self.ops[x[pair[1]]], self.ops[y[other[1]]]
                if k.const and l.const and x[pair[2]] == y[other[2]] and x[pair[1]] ~= y[other[1]] then return false end
            end
        end
    elseif x[1] == "lt_i" and y[1] == "lt_i" and x[3] == y[3] then
        -- What is more than 5 is more than 4.
        local k, l = self.ops[x[2]], self.ops[y[2]]
        if k.const and l.const and l[2] <= k[2] then return true end
    elseif x[1] == "eq_s" and y[1] == "is_nil" then
        if (x[2] == y[2] and self.ops[x[3]].const) or (x[3] == y[2] and self.ops[x[2]].const) then return false end
    elseif x[1] == "is_nil" and y[1] == "eq_s" then
        if (y[2] == x[2] and self.ops[y[3]].const) or (y[3] == x[2] and self.ops[y[2]].const) then return false end
    end
    return nil
end

-- Of conjunctions: one that shares its parts has more ways through it than there is time.
local DEPTH_MAX, VISITS_MAX = 48, 256

local function walk(self, a, b, left)
    local op = self.ops[a]
    self.visits = self.visits + 1
    local inner = op[1] == "not" and self.ops[op[2]]
    if op[1] == "and" and left > 0 and self.visits < VISITS_MAX then
        local told = walk(self, op[2], b, left - 1)
        if told == nil then told = walk(self, op[3], b, left - 1) end
        return told
    elseif inner and inner[1] == "or" and left > 0 and self.visits < VISITS_MAX then
        local told = walk(self, self:lnot(inner[2]), b, left - 1)
        if told == nil then told = walk(self, self:lnot(inner[3]), b, left - 1) end
        if told ~= nil then return told end
    end
    return tells(self, a, b)
end

-- What the conjunction a says of b: true, false or nil.
local function implied(self, a, b)
    self.visits = 0
    return walk(self, a, b, DEPTH_MAX)
end

-- Whether a is known where `path` holds: true, false or nil.
function ssa:known_on(path, a)
    if a == TRUE then return true elseif a == FALSE then return false end
    return implied(self, path, a)
end

function ssa:land(a, b)
    if a == FALSE or b == FALSE then return FALSE end
    if a == TRUE then return b elseif b == TRUE then return a end
    local told = implied(self, a, b)
    if told ~= nil then return told and a or FALSE end
    told = implied(self, b, a)
    if told ~= nil then return told and b or FALSE end
    -- a and (not a or x), and the like: what a tells goes.
    local op = self.ops[b]
    if op[1] == "or" then
        if implied(self, a, op[2]) == false then return self:land(a, op[3]) end
        if implied(self, a, op[3]) == false then return self:land(a, op[2]) end
        if implied(self, a, op[2]) or implied(self, a, op[3]) then return a end
    elseif op[1] == "not" and self.ops[op[2]][1] == "and" then
        local inner = self.ops[op[2]]
        if implied(self, a, inner[2]) then return self:land(a, self:lnot(inner[3])) end
        if implied(self, a, inner[3]) then return self:land(a, self:lnot(inner[2])) end
    end
    return self:make("and", a, b)
end

function ssa:lor(a, b)
    if a == TRUE or b == TRUE then return TRUE end
    if a == FALSE then return b elseif b == FALSE then return a end
    if implied(self, a, b) then return b end
    if implied(self, b, a) then return a end
    if tells(self, self:lnot(a), b) then return TRUE end
    local x, y = self.ops[a], self.ops[b]
    if x[1] == "and" and y[1] == "and" then
        -- p and c, or p and not c
        for i = 2, 3 do
            for j = 2, 3 do
                if x[i] == y[j] then return self:land(x[i], self:lor(x[5 - i], y[5 - j])) end
            end
        end
    end
    if y[1] == "and" then
        -- not a and y, or a: y or a
        if tells(self, self:lnot(a), y[2]) then return self:lor(a, y[3]) end
        if tells(self, self:lnot(a), y[3]) then return self:lor(a, y[2]) end
    end
    if x[1] == "and" then
        if tells(self, self:lnot(b), x[2]) then return self:lor(x[3], b) end
        if tells(self, self:lnot(b), x[3]) then return self:lor(x[2], b) end
    end
    return self:make("or", a, b)
end

-- ---- choices and conversions

function ssa:select(condition, a, b)
    if a == b or condition == TRUE then return a elseif condition == FALSE then return b end
    local op = self.ops[condition]
    if op[1] == "not" then return self:select(op[2], b, a) end
    local type = self.ops[a].type
    if type == "B" then
        if a == TRUE then return self:lor(condition, b) end
        if a == FALSE then return self:land(self:lnot(condition), b) end
        if b == TRUE then return self:lor(self:lnot(condition), a) end
        if b == FALSE then return self:land(condition, a) end
    end
    -- What the same condition has chosen already.
    local x, y = self.ops[a], self.ops[b]
    if x[1]:find "^select" and x[2] == condition then return self:select(condition, x[3], b) end
    if y[1]:find "^select" and y[2] == condition then return self:select(condition, a, y[4]) end
    return self:make("select_" .. type:lower(), condition, a, b)
end

-- Integer to float. `range` tells where that is exact and what an integer came from.
function ssa:i2f(a)
    local op = self.ops[a]
    if op[1] == "f2i" and self:is_int_f(op[2]) == TRUE then
        return self:make("add_f", op[2], self:float(0.0)) -- an integer has no -0
    end
    return self:make("i2f", a)
end

function ssa:is_int_f(a)
    local range = self.ops[a].range
    if not self.ops[a].const and range and range.integral and range[1] >= -2.0 ^ 63 and range[2] < 2.0 ^ 63 then
        return TRUE
    end
    return self:make("is_int_f", a)
end

-- How many constants a text is chosen from; more than there may be when it is not one of constants.
local CHOICES_MAX = 16
local function choices(self, id)
    local op = self.ops[id]
    if op.const then return 1 end
    if op[1] ~= "select_s" then return CHOICES_MAX + 1 end
    op.choices = op.choices or math.min(choices(self, op[3]) + choices(self, op[4]), CHOICES_MAX + 1)
    return op.choices
end

-- Calls fn for each constant that a text is chosen from; returns false when it is not chosen from few constants.
function ssa:each_choice(id, fn)
    if choices(self, id) > CHOICES_MAX then return false end
    local seen = {}
    local function visit(at)
        if seen[at] then return end
        seen[at] = true
        local op = self.ops[at]
        if op.const then return fn(at) end
        visit(op[3])
        visit(op[4])
    end
    visit(id)
    return true
end

-- Two texts as one. What is known or chosen stays so.
function ssa:concat(a, b)
    local x, y = self.ops[a], self.ops[b]
    if x.const and x[2] == "" then return b elseif y.const and y[2] == "" then return a end
    if x.const and y.const then return self:text(x[2] .. y[2]) end
    if choices(self, a) * choices(self, b) <= CHOICES_MAX then
        if not x.const then return self:select(x[2], self:concat(x[3], b), self:concat(x[4], b)) end
        return self:select(y[2], self:concat(a, y[3]), self:concat(a, y[4]))
    end
    return self:make("concat_s", a, b)
end

-- Returns the pattern that says whether a text has this beginning, where what is asked is whether the part of it that
-- is as long is that: no text has to be made of it then.
local function begins_with(self, part, beginning)
    local length = #beginning
    if part[1] ~= "sub_s" or length == 0 or length > 32 or self:longest(part[2]) > READ_MAX then return nil end
    if part[3] ~= self:int(1) or part[4] ~= self:int(length) then return nil end
    return self:text("^" .. beginning:gsub("%W", "%%%0"))
end

-- Whether the byte that a text has in a place is that text, where what is asked is whether the part of it there is: no
-- text has to be made of it then.
local function is_byte(self, part, text)
    if part[1] ~= "sub_s" or part[3] ~= part[4] then return nil end
    if #text > 1 then return FALSE end
    return self:make("eq_i", self:make("byte_s", part[2], part[3]), self:int(text:byte() or 0))
end

-- Equality of two texts, where one that is absent equals another that is.
function ssa:eq_s(a, b)
    if a == b then return TRUE end
    local x, y = self.ops[a], self.ops[b]
    if x.const and y.const then return FALSE end
    if x.const then a, b, x, y = b, a, y, x end
    if y.const and x[1] == "select_s" and (self.ops[x[3]].const or self.ops[x[4]].const) then
        return self:select(x[2], self:eq_s(x[3], b), self:eq_s(x[4], b))
    end
    if y[1] == "part_s" then a, b, x, y = b, a, y, x end
    if x[1] == "part_s" and y[1] ~= "part_s" then return self:make("part_is", x[2], x[3], b) end
    local byte = y.const and is_byte(self, x, y[2])
    if byte then return byte end
    local pattern = y.const and begins_with(self, x, y[2])
    if pattern then return self:lnot(self:make("eq_i", self:make("match_at", x[2], pattern), self:int(0))) end
    return self:make("eq_s", a, b)
end

function ssa:is_nil(a)
    local op = self.ops[a]
    if op.const or op.present then return FALSE end
    if op[1] == "capture_s" then return self:make("eq_i", self:make("match_at", op[2], op[3]), self:int(0)) end
    if op[1] ~= "select_s" then return self:make("is_nil", a) end
    -- Choices share their alternatives: what was asked once is not asked again.
    local key = "nil of " .. a
    self.known[key] = self.known[key] or self:select(op[2], self:is_nil(op[3]), self:is_nil(op[4]))
    return self.known[key]
end

-- The text under a key that is chosen from keys which are the same for every node, as a choice of their texts: what a
-- map has under such a key is kept from decision to decision. nil when it is no such key.
local function by_choice(self, map, key)
    local op = self.ops[key]
    if op.on ~= "node" then return self:map(map, key) end
    if op[1] ~= "select_s" then return nil end
    local asked = ("under %s %d"):format(map, key)
    if self.known[asked] == nil then
        local a, b = by_choice(self, map, op[3]), by_choice(self, map, op[4])
        self.known[asked] = a and b and self:select(op[2], a, b) or false
    end
    return self.known[asked] or nil
end

-- The text under a key.
function ssa:map(map, key)
    local op = self.ops[key]
    local chosen = op.on == "node" and by_choice(self, map, key)
    if chosen then return chosen end
    if op[1] == "key_at" and op[2] == map then return self:entry("value_at", map, self:value(op[3])) end
    local object = map:match "^%a+"
    return self:intern(("map %s %d"):format(map, key), { "map", map, key, type = "S", on = later(object, op.on) })
end

-- The key or the value in a place of a map, from 0, in the order of keys. name: key_at or value_at.
function ssa:entry(name, map, place)
    local longest = name == "key_at" and KEY_MAX or nil
    return self:intern(("%s %s %d"):format(name, map, place),
        { name, map, self:int(place), type = "S", on = map:match "^%a+", longest = longest })
end

return ssa
