-- Lua's operators on values that are alternatives: for every combination what Lua does with it, and a trap for
-- those that it refuses.
--
-- `node` is the expression, for its line and for the names in a sentence; its operands are node.a and node.b.

local ranges = require "compiler.ranges"
local sentences = require "compiler.sentences"
local ssa = require "compiler.ssa"
local texts = require "compiler.texts"
local value = require "compiler.value"

local operate = {}

local TRUE, FALSE = ssa.TRUE, ssa.FALSE

local FORMS_MAX, PARTS_MAX = 16, 1024 -- of a text; parts, or bytes where it is known
local KNOWN_MAX = 65536 -- bytes of a text that is known

local NUMBER = { int = true, float = true }

local ARITHMETIC = {
    ["+"] = "add", ["-"] = "sub", ["*"] = "mul", ["/"] = "div", ["%"] = "mod", ["^"] = "pow", ["//"] = "idiv",
}
local FLOAT_ONLY = { ["/"] = true, ["^"] = true }
local BITWISE = { ["&"] = "band", ["|"] = "bor", ["~"] = "bxor", ["<<"] = "shl", [">>"] = "shr" }

local function text_kind(kind)
    return kind == "text" or kind == "option" or kind == "made"
end

-- Raises for every pair of alternatives that `wrong` says true for, and returns both values without what cannot go
-- on. Text is not taken for a number here.
local function check(m, node, a, b, wrong, say)
    local program = m.program
    a, b = value.apart(program, a), value.apart(program, b)
    for _, one in ipairs(a) do
        for _, other in ipairs(b) do
            if wrong(one, other) then
                local guard = program:land(one.guard, other.guard)
                if guard ~= FALSE then m:trap(guard, node.line, function() return say(one, other) end) end
            end
        end
    end
    return a, b
end

local function refuse_text(m, node, of)
    for _, one in ipairs(of) do
        if text_kind(one.kind) then
            m.refuse(node.line, "here text would become a number",
                "compare text with == and give numbers by a table: ({ small = 1, large = 2 })[text]")
        end
    end
end

-- Returns the number that a text is, or nil: alternatives, and where it is none.
function operate.numeral(program, text)
    local whole, real = program:make("is_num_i", text), program:make("is_num_f", text)
    local none = program:lnot(program:lor(whole, real))
    return { { kind = "int", guard = whole, val = program:make("num_i", text) },
        { kind = "float", guard = real, val = program:make("num_f", text) },
        { kind = "nil", guard = none }, wide = program:make("num_f", text) }, none
end

-- Returns the operands with texts that are numbers as such, as Lua's arithmetic takes them. Where one is none it
-- raises.
local function read_texts(m, node, a, b, say)
    local program = m.program
    local function read(of)
        local text = value.find(of, "text") or value.find(of, "made")
        if not text then return of, FALSE end
        local number, none = operate.numeral(program, texts.must(m, node.line, text))
        for _, one in ipairs(of) do
            if one ~= text and text_kind(one.kind) then
                m.refuse(node.line, "one of several texts would become a number", "keep numbers as numbers")
            end
        end
        local rest = value.without(of, function(one) return one == text end)
        return rest[1] and value.merge(program, text.guard, number, rest) or number, none, text
    end
    local left, none, text = read(a)
    local right, nor, other_text = read(b)
    for _, one in ipairs(a) do
        for _, other in ipairs(b) do
            local both = program:land(one.guard, other.guard)
            local bad = program:lor(one == text and none or FALSE, other == other_text and nor or FALSE)
            m:trap(program:land(both, bad), node.line, function() return say(one, other) end)
        end
    end
    return left, right
end

-- The numbers among the alternatives: integer or nil, float or nil, and the value cut down to them.
local function numbers(of)
    local only = value.without(of, function(one) return not NUMBER[one.kind] end)
    return value.find(only, "int"), value.find(only, "float"), only
end

local function not_numbers(one, other)
    return not NUMBER[one.kind] or not NUMBER[other.kind]
end

-- Puts an integer and a float result together. `both`: where it is the integer; wide: the float is right there, too.
local function mixed(program, both, whole, real, wide)
    if both == TRUE then return value.new("int", whole) end
    if both == FALSE then return value.new("float", real) end
    local result = { { kind = "int", guard = both, val = whole },
        { kind = "float", guard = program:lnot(both), val = real } }
    result.wide = wide and real or nil
    return result
end

-- Whether the float operation on integers that are exact gives the exact result, its zero without a sign.
local function agrees(program, op, i, j)
    local x, y = program.ops[i.val], program.ops[j.val]
    -- Of the operands, not of the result: that of two constants is known also where it has wrapped around.
    if not ranges.of(ARITHMETIC[op] .. "_i", x, y) then return false end
    if op == "+" or op == "-" then return true end
    -- A product with a negative number may be -0 as a float.
    return op == "*" and x.range[1] >= 0 and y.range[1] >= 0
end

-- Whether Lua computes an expression while it reads it.
local function is_literal(node)
    if node.k == "Paren" or (node.k == "Unary" and node.op ~= "not") then return is_literal(node.a) end
    if node.k == "Local" then return node.var.value ~= nil and is_literal(node.var.value) end
    if node.k == "Binary" then return is_literal(node.a) and is_literal(node.b) end
    return node.k == "Number"
end

-- Lua makes x + -0 of x - 0 where the 0 is written down, and an integer: that is 0, not -0, for an x of -0.
local function takes_nothing(program, node, op, j)
    return op == "-" and j and program:is_const(j.val) and program:value(j.val) == 0 and is_literal(node.b)
end

local function arithmetic(m, node, op, a, b)
    local program, name = m.program, ARITHMETIC[op]
    local i, f, left = numbers(a)
    local j, g, right = numbers(b)
    local x, y = value.wide(program, left), value.wide(program, right)
    if not x or not y then -- every row has raised an error
        m:finish()
        return value.NIL
    end
    local real = program:make(name .. "_f", x, y)
    if takes_nothing(program, node, op, not g and j) then real = program:make("add_f", x, y) end
    if FLOAT_ONLY[op] or not i or not j then return value.new("float", real) end
    local both = program:land(f and i.guard or TRUE, g and j.guard or TRUE)
    if op == "//" or op == "%" then
        local zero = program:make("eq_i", j.val, program:int(0))
        m:trap(program:land(both, zero), node.line, function()
            return sentences.binary(op, { k = "Paren", a = { k = "Call" } }, { kind = "static", val = 1 },
                { k = "Call" }, { kind = "static", val = 0 })
        end)
    end
    local whole = program:make(name .. "_i", i.val, j.val)
    return mixed(program, both, whole, real, agrees(program, op, i, j))
end

-- Returns the integer that a number is for a bitwise operation; raises where it is none.
local function integral(m, node, operand, of)
    local program = m.program
    local i, f = numbers(of)
    if not i and not f then
        m:finish()
        return program:int(0)
    end
    if not f then return i.val end
    local unfit = program:land(i and f.guard or TRUE, program:lnot(program:is_int_f(f.val)))
    m:trap(unfit, node.line, function()
        return sentences.binary("|", operand, { kind = "float" }, { k = "Call" }, { kind = "int" })
    end)
    local whole = program:make("f2i", f.val)
    return i and program:select(i.guard, i.val, whole) or whole
end

local function bitwise(m, node, op, a, b)
    local left, right = integral(m, node, node.a, a), integral(m, node, node.b or node.a, b)
    return value.new("int", m.program:make(BITWISE[op], left, right))
end

-- ---- comparison

-- less or less-or-equal of two numbers, whatever they are
local function compare_numbers(m, name, a, b)
    local program = m.program
    local i, f, left = numbers(a)
    local j, g, right = numbers(b)
    local function exact(whole) return not whole or program.ops[whole.val].range end
    if (f or g) and exact(i) and exact(j) then
        return program:make(name .. "_f", value.wide(program, left), value.wide(program, right))
    end
    -- A float that is an integer for certain, beside an integer that a float might not hold.
    local function whole_constant(one)
        return one and program:is_const(one.val) and math.tointeger(program:value(one.val))
    end
    if i and not f and g and not j and whole_constant(g) then
        return program:make(name .. "_i", i.val, program:int(whole_constant(g)))
    end
    if f and not i and j and not g and whole_constant(f) then
        return program:make(name .. "_i", program:int(whole_constant(f)), j.val)
    end
    local function against(one, letter)
        local whole = j and program:make(name .. (letter == "i" and "_i" or "_fi"), one.val, j.val)
        local real = g and program:make(name .. (letter == "i" and "_if" or "_f"), one.val, g.val)
        return whole and real and program:select(j.guard, whole, real) or whole or real
    end
    local whole, real = i and against(i, "i"), f and against(f, "f")
    return whole and real and program:select(i.guard, whole, real) or whole or real
end

-- Where a value is a number.
local function number_guard(program, of)
    local guard = FALSE
    for _, one in ipairs(of) do
        if NUMBER[one.kind] then guard = program:lor(guard, one.guard) end
    end
    return guard
end

local function compare(m, node, name, a, b)
    -- node.a > node.b is node.b < node.a, also in what Lua says of it.
    local op = name == "lt" and "<" or "<="
    local left, right = node.a, node.b
    if node.op == ">" or node.op == ">=" then left, right = right, left end
    a, b = check(m, node, a, b, function(one, other)
        return not_numbers(one, other) and not (text_kind(one.kind) and text_kind(other.kind))
    end, function(one, other) return sentences.binary(op, left, one, right, other) end)
    if m:dead() then return value.new("bool", FALSE) end
    local of_texts = texts.compare(m, node, name .. "_s", a, b)
    local i, f, few = numbers(a)
    local j, g, others = numbers(b)
    if not (i or f) or not (j or g) then return value.new("bool", of_texts) end
    local of_numbers = compare_numbers(m, name, few, others)
    if of_texts == FALSE then return value.new("bool", of_numbers) end
    local both = m.program:land(number_guard(m.program, a), number_guard(m.program, b))
    return value.new("bool", m.program:lor(of_texts, m.program:land(both, of_numbers)))
end

local function equal_numbers(program, one, other)
    if one.kind == "int" and other.kind == "float" then one, other = other, one end
    if one.kind == other.kind then
        return program:make(one.kind == "int" and "eq_i" or "eq_f", one.val, other.val)
    end
    -- other is the integer
    if program.ops[other.val].range then return program:make("eq_f", one.val, program:i2f(other.val)) end
    local constant = program:is_const(one.val) and math.tointeger(program:value(one.val))
    if constant then return program:make("eq_i", other.val, program:int(constant)) end
    return program:make("eq_if", other.val, one.val)
end

-- Whether a truth or an integer, written by tostring, is this text; nil for other things that are written.
local function written_is(program, parts, text)
    local only = #parts == 1 and type(parts[1]) == "table" and not parts[1].format and parts[1].val
    local type = only and program.ops[only].type
    if type == "B" then
        return (text == "true" and only) or (text == "false" and program:lnot(only)) or FALSE
    elseif type == "I" then
        local number = math.tointeger(tonumber(text))
        if not number or tostring(number) ~= text then return FALSE end
        return program:make("eq_i", only, program:int(number))
    end
end

-- Whether two alternatives are equal, or nil when that cannot be told here.
local function equal_alternatives(program, one, other)
    if NUMBER[one.kind] and NUMBER[other.kind] then return equal_numbers(program, one, other) end
    if one.kind == "option" and other.kind == "nil" then return program:is_nil(one.val) end
    if one.kind == "nil" and other.kind == "option" then return program:is_nil(other.val) end
    if one.kind == "made" or other.kind == "made" then
        if not text_kind(one.kind) or not text_kind(other.kind) then return FALSE end
        if one.kind ~= "made" then one, other = other, one end
        local known = other.kind == "text" and program:is_const(other.val)
            and written_is(program, one.val, program:value(other.val))
        if known then return known end
        local text, second = texts.of(program, one), texts.of(program, other)
        return text and second and program:eq_s(text, second)
    end
    if text_kind(one.kind) and text_kind(other.kind) then return program:eq_s(one.val, other.val) end
    if one.kind ~= other.kind then return FALSE end
    if one.kind == "nil" then return TRUE end
    if one.kind == "bool" then
        return program:select(one.val, other.val, program:lnot(other.val))
    end
    return one.val == other.val and TRUE or FALSE
end

-- Returns where a and b are equal.
function operate.equal(m, node, a, b)
    local program, result = m.program, FALSE
    for _, one in ipairs(a) do
        for _, other in ipairs(b) do
            local both = program:land(one.guard, other.guard)
            local same = both == FALSE and FALSE or equal_alternatives(program, one, other)
            if not same then
                m.refuse(node.line, "a text with a number that has decimals is compared",
                    "compare its parts")
            end
            result = program:lor(result, program:land(both, same))
        end
    end
    return result
end

-- ---- text

-- Returns the parts of an alternative as .. writes it: numbers as tostring does.
local function parts_of(program, one)
    if one.kind == "made" then return one.val end
    if program:is_const(one.val) then return { tostring(program:value(one.val)) } end
    return { { val = one.val } }
end

-- Joins parts; neighbours that are known become one.
local function join(left, right)
    local parts = table.move(left, 1, #left, 1, {})
    for _, part in ipairs(right) do
        if type(part) == "string" and type(parts[#parts]) == "string" then
            parts[#parts] = parts[#parts] .. part
        else
            parts[#parts + 1] = part
        end
    end
    return parts
end

-- Returns an alternative for parts.
function operate.text_of(program, parts, guard)
    if #parts == 0 then return { kind = "text", guard = guard, val = program:text "" } end
    if #parts == 1 and type(parts[1]) == "string" then
        return { kind = "text", guard = guard, val = program:text(parts[1]) }
    end
    return { kind = "made", guard = guard, val = parts }
end

-- Puts alternatives of texts together to a value: there may be one known text among them only.
function operate.texts(m, line, alternatives)
    local result = value.NIL
    if #alternatives > FORMS_MAX then
        local text = texts.joined(m.program, alternatives)
        if text then return { texts.alternative(m.program, text) } end
        m.refuse(line, "the text has too many forms", "return a reason where it is known")
    end
    for index, one in ipairs(alternatives) do
        if #(one.kind == "made" and one.val or m.program:value(one.val)) > PARTS_MAX then
            m.refuse(line, "the text is put together of too much", "make it shorter")
        end
        local single = value.new(one.kind, one.val)
        result = index == 1 and single or value.merge(m.program, one.guard, single, result)
    end
    return result
end

local function concat(m, node, a, b)
    local program = m.program
    local function writes(one) return NUMBER[one.kind] or text_kind(one.kind) end
    a, b = check(m, node, a, b, function(one, other) return not writes(one) or not writes(other) end,
        function(one, other) return sentences.binary("..", node.a, one, node.b, other) end)
    local alternatives = {}
    for _, one in ipairs(a) do
        for _, other in ipairs(b) do
            local guard = program:land(one.guard, other.guard)
            if writes(one) and writes(other) and guard ~= FALSE then
                alternatives[#alternatives + 1] = operate.text_of(program,
                    join(parts_of(program, one), parts_of(program, other)), guard)
            end
        end
    end
    if #alternatives == 0 then m:finish() end
    return operate.texts(m, node.line, alternatives)
end

operate.parts_of, operate.join = parts_of, join

-- ---- all of them

local FOLDS = {
    ["+"] = function(a, b) return a + b end, ["-"] = function(a, b) return a - b end,
    ["*"] = function(a, b) return a * b end, ["/"] = function(a, b) return a / b end,
    ["%"] = function(a, b) return a % b end, ["^"] = function(a, b) return a ^ b end,
    ["//"] = function(a, b) return a // b end, [".."] = function(a, b) return a .. b end,
    ["&"] = function(a, b) return a & b end, ["|"] = function(a, b) return a | b end,
    ["~"] = function(a, b) return a ~ b end, ["<<"] = function(a, b) return a << b end,
    [">>"] = function(a, b) return a >> b end, ["<"] = function(a, b) return a < b end,
    ["<="] = function(a, b) return a <= b end, [">"] = function(a, b) return a > b end,
    [">="] = function(a, b) return a >= b end,
}

-- What is known is done once and for all; nil when it is not known, or goes wrong.
local function fold(m, line, op, a, b)
    local known, x = value.known(m.program, a)
    local also, y = value.known(m.program, b)
    if not known or not also or not FOLDS[op] then return nil end
    local ok, result = pcall(FOLDS[op], x, y)
    if op == "-" and result == 0 then return nil end -- see takes_nothing()
    if ok and type(result) == "string" and #result > KNOWN_MAX then
        m.refuse(line, "the text is too long", "make it shorter")
    end
    return ok and result == result and value.constant(m.program, result) or nil
end

-- Returns a op b. op is none of and, or.
function operate.binary(m, node, a, b)
    local op, program = node.op, m.program
    local known = fold(m, node.line, op, a, b)
    if known then return known end
    if op == "==" then return value.new("bool", operate.equal(m, node, a, b)) end
    if op == "~=" then return value.new("bool", program:lnot(operate.equal(m, node, a, b))) end
    if op == ".." then return concat(m, node, a, b) end
    if op == "<" then return compare(m, node, "lt", a, b) end
    if op == "<=" then return compare(m, node, "le", a, b) end
    if op == ">" then return compare(m, node, "lt", b, a) end
    if op == ">=" then return compare(m, node, "le", b, a) end
    local function say(one, other) return sentences.binary(op, node.a, one, node.b, other) end
    local function unfit(one) return not NUMBER[one.kind] and not text_kind(one.kind) end
    a, b = check(m, node, a, b, function(one, other) return unfit(one) or unfit(other) end, say)
    if m:dead() then return value.NIL end
    if BITWISE[op] then
        refuse_text(m, node, a)
        refuse_text(m, node, b)
        return bitwise(m, node, op, a, b)
    end
    a, b = read_texts(m, node, a, b, say)
    if m:dead() then return value.NIL end
    return arithmetic(m, node, op, a, b)
end

-- Returns op a.
function operate.unary(m, node, a)
    local op, program = node.op, m.program
    if op == "not" then return value.new("bool", program:lnot(value.truth(program, a))) end
    a = value.apart(program, a)
    for _, one in ipairs(a) do
        if not NUMBER[one.kind] and not text_kind(one.kind) then
            m:trap(one.guard, node.line, function() return sentences.unary(op, node.a, one) end)
        end
    end
    if m:dead() then return value.NIL end
    if op == "~" then
        refuse_text(m, node, a)
        return value.new("int", program:make("bnot", integral(m, node, node.a, a)))
    end
    a = read_texts(m, node, a, value.new("int", program:int(0)), function(one)
        return sentences.unary(op, node.a, one)
    end)
    local i, f, only = numbers(a)
    if not i and not f then
        m:finish()
        return value.NIL
    end
    if not i then return value.new("float", program:make("neg_f", f.val)) end
    local real = program:make("neg_f", value.wide(program, only))
    return mixed(program, f and i.guard or TRUE, program:make("neg_i", i.val), real, false)
end

return operate
