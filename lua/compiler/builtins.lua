-- Lua's own functions on values that are alternatives. Each is handed the call: {m, node, args, name, method}, and
-- returns a list of values. One that is not here is done once where all its arguments are known, and is what
-- stops the compiling where they are not.

local lists = require "compiler.lists"
local operate = require "compiler.operate"
local ordered = require "lib.ordered"
local sentences = require "compiler.sentences"
local ssa = require "compiler.ssa"
local template = require "compiler.template"
local texts = require "compiler.texts"
local value = require "compiler.value"

local builtins = {}

local TRUE, FALSE = ssa.TRUE, ssa.FALSE

-- By the function itself: a file may give it other names.
local handlers, names = {}, {}

for _, library in ipairs { "math", "string", "table", "utf8" } do
    for name, fn in pairs(_G[library]) do names[fn] = library .. "." .. name end
end
for _, name in ipairs { "assert", "error", "ipairs", "pcall", "select", "tonumber", "tostring", "type" } do
    names[_G[name]] = name
end
names[ordered.pairs], names[ordered.next] = "pairs", "next"

local function on(fn, handler) handlers[fn] = handler end

-- What `ipairs` and `pairs` go by: known to the loop that it is for.
builtins.walk_list, builtins.walk_table = function() end, function() return nil end

-- ---- arguments

local FITTING = { number = 1, string = 2, ["nil"] = 4, boolean = 4 } -- 3: anything else

-- Of what an argument can be, what Lua's functions mind least.
local function as_it_should_be(program, of)
    local best, least
    for _, one in ipairs(value.apart(program, of)) do
        local minded = FITTING[value.type(one)] or 3
        if not best or minded < least then best, least = one, minded end
    end
    return best
end

-- Raises, where an argument is of such a kind, what the function says of it.
function builtins.raise(call, index, one)
    local samples = { n = math.max(#call.args, index) }
    -- The others are as they should be: it is about this one.
    for at, of in ipairs(call.args) do
        local other = as_it_should_be(call.m.program, of)
        local known, constant = value.known(call.m.program, of)
        samples[at] = known and constant or value.type(other) == "number" and 1 or sentences.sample(other)
    end
    samples[index] = one and sentences.sample(one)
    if not one then samples.n = index - 1 end
    call.m:trap(one and one.guard or TRUE, call.node.line, function()
        return sentences.builtin(call.name, call.method, call.fn, samples)
    end)
end

-- Returns an argument that has to be a number: its value cut down to numbers; nil when no row goes on.
local function number_at(call, index)
    local m, of = call.m, call.args[index]
    if not of then
        builtins.raise(call, index)
        return nil
    end
    local left = {}
    for _, one in ipairs(value.apart(m.program, of)) do
        if one.kind == "int" or one.kind == "float" then
            left[#left + 1] = { kind = one.kind, guard = one.guard, val = one.val }
        elseif one.kind == "text" or one.kind == "made" then
            m.refuse(call.node.line, ("%s is given text, which would become a number"):format(call.name),
                "give it a number")
        else
            builtins.raise(call, index, one)
        end
    end
    left.wide = of.wide
    if #left == 1 then left[1].guard = TRUE end
    if not left[1] then m:finish() end
    return not m:dead() and left or nil
end

local function wide_at(call, index)
    local of = number_at(call, index)
    return of and value.wide(call.m.program, of)
end

-- Returns an argument as an integer; where a float has none it raises.
local function integer_at(call, index)
    local of, program = number_at(call, index), call.m.program
    if not of then return nil end
    local i, f = value.find(of, "int"), value.find(of, "float")
    if not f then return i.val end
    local unfit = program:land(f.guard, program:lnot(program:is_int_f(f.val)))
    builtins.raise(call, index, { kind = "float", guard = unfit })
    local whole = program:make("f2i", f.val)
    return i and program:select(i.guard, i.val, whole) or whole
end

local function float(call, op, ...)
    return { value.new("float", call.m.program:make(op, ...)) }
end

-- ---- math

-- A float as the integer that it is, where it is one.
local function whole_if_fits(program, real)
    local fits = program:is_int_f(real)
    local whole = program:make("f2i", real)
    if fits == TRUE then return value.new("int", whole) end
    if fits == FALSE then return value.new("float", real) end
    local result = { { kind = "int", guard = fits, val = whole },
        { kind = "float", guard = program:lnot(fits), val = real } }
    result.wide = program:make("add_f", real, program:float(0.0)) -- an integer has no -0
    return result
end

local function rounding(op)
    return function(call)
        local of, program = number_at(call, 1), call.m.program
        if not of then return {} end
        local i, f = value.find(of, "int"), value.find(of, "float")
        if not f then return { value.new("int", i.val) } end
        local rounded = whole_if_fits(program, program:make(op, f.val))
        return { i and value.merge(program, i.guard, value.new("int", i.val), rounded) or rounded }
    end
end
on(math.floor, rounding "floor_f")
on(math.ceil, rounding "ceil_f")

on(math.abs, function(call)
    local of, program = number_at(call, 1), call.m.program
    if not of then return {} end
    local i, f = value.find(of, "int"), value.find(of, "float")
    local whole = i and value.new("int", program:make("abs_i", i.val))
    local real = f and value.new("float", program:make("abs_f", f.val))
    return { whole and real and value.merge(program, i.guard, whole, real) or whole or real }
end)

for fn, op in pairs { [math.sqrt] = "sqrt_f", [math.exp] = "exp", [math.sin] = "sin", [math.cos] = "cos",
    [math.tan] = "tan" } do
    on(fn, function(call)
        local x = wide_at(call, 1)
        return x and float(call, op, x) or {}
    end)
end

on(math.log, function(call)
    local program, x = call.m.program, wide_at(call, 1)
    if not x then return {} end
    local given = call.args[2]
    if not given or (given[1].kind == "nil" and #given == 1) then return float(call, "log", x) end
    if value.find(value.apart(program, given), "nil") then
        call.m.refuse(call.node.line, "the base of math.log may be nil", "write the base as a number")
    end
    local base = wide_at(call, 2)
    if not base then return {} end
    local plain = program:make("div_f", program:make("log", x), program:make("log", base))
    local ten = program:select(program:make("eq_f", base, program:float(10.0)), program:make("log10", x), plain)
    return { value.new("float",
        program:select(program:make("eq_f", base, program:float(2.0)), program:make("log2", x), ten)) }
end)

for fn, factor in pairs { [math.deg] = 180.0 / math.pi, [math.rad] = math.pi / 180.0 } do
    on(fn, function(call)
        local x = wide_at(call, 1)
        return x and float(call, "mul_f", x, call.m.program:float(factor)) or {}
    end)
end

on(math.fmod, function(call)
    local program, b = call.m.program, number_at(call, 2) -- the second is looked at first, as Lua's own does
    local a = b and number_at(call, 1)
    if not a then return {} end
    local i, j = value.find(a, "int"), value.find(b, "int")
    local real = program:make("fmod_f", value.wide(program, a), value.wide(program, b))
    if not i or not j then return { value.new("float", real) } end
    local both = program:land(i.guard, j.guard)
    local zero = program:land(both, program:make("eq_i", j.val, program:int(0)))
    builtins.raise(call, 2, { kind = "static", val = 0, guard = zero })
    local whole = value.new("int", program:make("fmod_i", i.val, j.val))
    return { value.merge(program, both, whole, value.new("float", real)) }
end)

on(math.modf, function(call)
    local of, program = number_at(call, 1), call.m.program
    if not of then return {} end
    local i, f = value.find(of, "int"), value.find(of, "float")
    local zero = program:float(0.0)
    if not f then return { of, value.new("float", zero) } end
    local negative = program:make("lt_f", f.val, zero)
    local part = program:select(negative, program:make("ceil_f", f.val), program:make("floor_f", f.val))
    local rest = program:select(program:make("eq_f", f.val, part), zero, program:make("sub_f", f.val, part))
    local whole = whole_if_fits(program, part)
    if not i then return { whole, value.new("float", rest) } end
    return { value.merge(program, i.guard, value.new("int", i.val), whole),
        value.new("float", program:select(i.guard, zero, rest)) }
end)

-- Raises where neither of the first two arguments is a number: Lua's sentence names both.
local function two_wrong(call)
    local program = call.m.program
    for _, one in ipairs(call.args[2] and value.apart(program, call.args[1]) or {}) do
        for _, other in ipairs(value.apart(program, call.args[2])) do
            if value.type(one) ~= "number" and value.type(other) ~= "number" then
                call.m:trap(program:land(one.guard, other.guard), call.node.line, function()
                    local samples = { n = 2, [1] = sentences.sample(one), [2] = sentences.sample(other) }
                    return sentences.builtin(call.name, call.method, call.fn, samples)
                end)
            end
        end
    end
end

-- math.max(a, b, ...): the first that no other is greater than, itself; a NaN stays or goes as in Lua.
local function extreme(greater)
    return function(call)
        two_wrong(call)
        local m, best = call.m, number_at(call, 1)
        for index = 2, #call.args do
            local other = best and number_at(call, index)
            if not other then return {} end
            local a, b = best, other
            if not greater then a, b = b, a end
            local less = operate.binary(m, { op = "<", line = call.node.line, a = call.node, b = call.node }, a, b)
            best = value.merge(m.program, less[1].val, other, best)
        end
        return { best }
    end
end
on(math.max, extreme(true))
on(math.min, extreme(false))

on(math.tointeger, function(call)
    local program, of = call.m.program, call.args[1]
    if not of then
        builtins.raise(call, 1)
        return {}
    end
    local result
    for _, one in ipairs(value.apart(program, of)) do
        local this = value.NIL
        if one.kind == "int" then this = value.new("int", one.val)
        elseif one.kind == "float" then
            this = value.merge(program, program:is_int_f(one.val),
                value.new("int", program:make("f2i", one.val)), value.NIL)
        elseif one.kind == "text" or one.kind == "made" then
            call.m.refuse(call.node.line, "text would become a number", "give numbers by a table of texts")
        end
        result = result and value.merge(program, one.guard, this, result) or this
    end
    return { result }
end)

on(math.ult, function(call)
    local a = integer_at(call, 1)
    local b = a and integer_at(call, 2)
    return b and { value.new("bool", call.m.program:make("ult_i", a, b)) } or {}
end)

-- A text by the kind of the argument.
local function told(name_of)
    return function(call)
        local program, of = call.m.program, call.args[1]
        if not of then
            builtins.raise(call, 1)
            return {}
        end
        local result
        for _, one in ipairs(value.apart(program, of)) do
            local this = value.constant(program, name_of(one))
            result = result and value.merge(program, one.guard, this, result) or this
        end
        return { result }
    end
end
on(type, told(value.type))
on(math.type, told(function(one)
    return one.kind == "int" and "integer" or one.kind == "float" and "float" or nil
end))

-- ---- texts

on(tostring, function(call)
    local m, of = call.m, call.args[1]
    if not of then
        builtins.raise(call, 1)
        return {}
    end
    return { template.tostring(m, call.node.line, of) }
end)

on(string.format, function(call)
    local known, format = value.known(call.m.program, call.args[1] or value.NIL)
    if not known or type(format) ~= "string" then
        call.m.refuse(call.node.line, "the format is not known beforehand", "write the format as a text")
    end
    return { template.format(call, format, function(index) return number_at(call, index) end,
        function(index) return integer_at(call, index) end) }
end)

for _, name in ipairs { "byte", "find", "gmatch", "gsub", "len", "lower", "match", "reverse", "sub", "upper" } do
    on(string[name], function(call)
        call.raise, call.integer_at = builtins.raise, integer_at
        return texts[name](call)
    end)
end

-- ---- errors, lists

on(tonumber, function(call)
    local m, program, of = call.m, call.m.program, call.args[1]
    if not of then
        builtins.raise(call, 1)
        return {}
    elseif call.args[2] then
        m.refuse(call.node.line, "tonumber is given a base", "leave the base out")
    end
    local result
    for _, one in ipairs(value.apart(program, of)) do
        local this = value.NIL
        if one.kind == "int" or one.kind == "float" then this = value.new(one.kind, one.val)
        elseif one.kind == "text" then this = operate.numeral(program, one.val)
        elseif one.kind == "made" then
            this = operate.numeral(program, texts.must(m, call.node.line, one))
        end
        result = result and value.merge(program, one.guard, this, result) or this
    end
    return { result }
end)

local function message_of(call, index)
    local m, of = call.m, call.args[index] or value.NIL
    local known, message = value.known(m.program, of)
    if not known then
        m.refuse(call.node.line, "the message of an error has values in it", "give a message that is always the same")
    end
    if type(message) == "table" or type(message) == "function" or type(message) == "boolean" or message == nil then
        return ("an error that is a %s, not text"):format(type(message))
    end
    return tostring(message)
end

on(error, function(call)
    local m = call.m
    local known, level = value.known(m.program, call.args[2] or value.constant(m.program, 1))
    if not known or (level ~= 0 and level ~= 1) then
        m.refuse(call.node.line, "error is given a level", "leave the level out")
    end
    m:trap(TRUE, call.node.line, message_of(call, 1))
    return {}
end)

on(assert, function(call)
    local m = call.m
    if not call.args[1] then
        builtins.raise(call, 1)
        return {}
    end
    local truth = value.truth(m.program, call.args[1])
    if m.program:known_on(m.path, truth) ~= true then
        m:trap(m.program:lnot(truth), call.node.line, call.args[2] and message_of(call, 2) or "assertion failed!")
    end
    if m:dead() then return {} end
    local results = table.move(call.args, 1, #call.args, 1, {})
    results[1] = value.if_true(call.args[1])
    return results
end)

on(ipairs, function(call)
    if not call.args[1] then builtins.raise(call, 1) end
    return { value.new("static", builtins.walk_list), call.args[1], value.constant(call.m.program, 0) }
end)

-- What is no table is the loop's to complain of, as in Lua.
on(ordered.pairs, function(call)
    if not call.args[1] then
        builtins.raise(call, 1)
        return {}
    end
    return { value.new("static", builtins.walk_table), call.args[1], value.NIL }
end)

for fn, handler in pairs { [select] = lists.select, [ordered.next] = lists.next, [table.insert] = lists.insert,
    [table.remove] = lists.remove, [table.unpack] = lists.unpack, [table.pack] = lists.pack,
    [table.concat] = lists.concat, [table.sort] = lists.sort } do
    on(fn, function(call)
        call.raise, call.known_as = builtins.raise, names[call.fn]
        return handler(call)
    end)
end

local function refused(why, instead)
    return function(call) call.m.refuse(call.node.line, why, instead) end
end
on(pcall, refused("pcall may go on after an error", "check beforehand what could be nil, and leave pcall out"))

-- ---- calls

-- What needs nothing but its arguments, and may be done beforehand.
local KNOWN_ONLY = { tonumber = true, ["table.concat"] = true, ["table.unpack"] = true }
local INSTEAD = {
    string = "look for a part by text:find(part, 1, true), or give what is in the text a label of its own",
    utf8 = "compare text with ==, or give what is in it a label of its own",
    table = "write the table where the file is loaded, outside of the function",
}

-- Whether a call with known arguments costs little: patterns take exponential time, and rep makes any size.
local WITH_PATTERN = { ["string.find"] = true, ["string.match"] = true, ["string.gsub"] = true }
local KNOWN_TEXT_MAX, REPEATS_MAX = 256, 2

local function is_cheap(name, constants)
    local text, second = constants[1], constants[2]
    if name == "string.rep" then
        local count = math.tointeger(second)
        local size = #tostring(text) + #tostring(constants[3] or "")
        return count and count * size <= 4096 and count < 4096
    elseif WITH_PATTERN[name] then
        local _, repeats = tostring(second):gsub("[%*%+%-%?]", "")
        return #tostring(text) <= KNOWN_TEXT_MAX and repeats <= REPEATS_MAX and not tostring(second):find("%b", 1, true)
    end
    return true
end

-- Raises nothing where something is a number or text that is not known: that is what cannot be compiled.
local function done_beforehand(call)
    local name, library = names[call.fn], (names[call.fn] or ""):match "^(%w+)%."
    local constants = { n = #call.args }
    local fit = (KNOWN_ONLY[name] or library == "math" or library == "string" or library == "utf8")
        and name ~= "string.gmatch" and name ~= "utf8.codes"
    for index, of in ipairs(call.args) do
        local known, constant = value.known(call.m.program, of)
        fit = fit and known and type(constant) ~= "function"
        constants[index] = constant
    end
    if not fit then return nil end
    if not is_cheap(name, constants) then
        if WITH_PATTERN[name] then return nil end -- the console has a way that takes little time
        call.m.refuse(call.node.line, ("%s is too much work for a row"):format(name),
            "do it where the file is loaded, outside of the function")
    end
    local results = table.pack(pcall(call.fn, table.unpack(constants, 1, constants.n)))
    if not results[1] then return nil end
    local values = {}
    for index = 2, results.n do
        if type(results[index]) == "table" then return nil end
        values[index - 1] = value.constant(call.m.program, results[index])
    end
    return values
end

-- Calls one of Lua's functions. Returns the list of what it returns, and false where that may be shorter on some rows.
function builtins.call(call)
    local values = done_beforehand(call)
    if values then return values end
    local handler = handlers[call.fn]
    if handler then return handler(call) end
    local name = names[call.fn] or call.name
    call.m.refuse(call.node.line, ("%s is called with what only a row knows"):format(name),
        INSTEAD[name:match "^(%w+)%."] or "do it where the file is loaded, outside of the function")
end

-- Whether a function is one of Lua's own.
function builtins.is(fn)
    return names[fn] ~= nil or fn == builtins.walk_list or fn == builtins.walk_table
end

return builtins
