-- What an expression can be, over all rows at once: alternatives, of which each row has one.
--
--   value        { alternatives..., wide: what it is as a float, where it may be an integer or a float,
--                  terms: what it is the sum of, choice: {condition, a, b} that it was made by }
--   alternative  { kind, guard: a truth of the program, val }
--
--   kind      val
--   nil       -
--   bool      B                      int     I              float   F
--   text      S, never absent        option  S, perhaps absent (which is nil)
--   made      a text with values in it: parts, as a reason has them
--   static    a table or function that the file made when it was loaded, or one of Lua's own
--   table     a table that the decision makes: {cells by key, order}
--   matches   what string.gmatch returns: {parts: L, count: I, each: how many parts a match has}
--   closure   a function that the decision makes: {proto, cells}
--   object    "node", "workload", ...
--   map       "node.labels", ...
--
-- Guards are told among the alternatives of a value, for rows that come by: there exactly one holds, and a
-- lone alternative's is TRUE. Where a guard does not hold, val is anything. A value has at most one alternative of
-- nil, bool, int and float each, and one of text and option together; of the others one for each val.

local ssa = require "compiler.ssa"

local value = {}

local TRUE, FALSE = ssa.TRUE, ssa.FALSE

local SCALAR = { bool = true, int = true, float = true, text = true, option = true }

function value.new(kind, val)
    return { { kind = kind, guard = TRUE, val = val } }
end

value.NIL = value.new("nil")

-- A value of constants: nil, boolean, number or string.
function value.constant(program, constant)
    local kind = math.type(constant) or type(constant)
    if kind == "nil" then return value.NIL end
    if kind == "boolean" then return value.new("bool", program:bool(constant)) end
    if kind == "integer" then return value.new("int", program:int(constant)) end
    if kind == "float" and constant == constant then return value.new("float", program:float(constant)) end
    if kind == "float" then -- a NaN keeps its sign by being made anew
        local zero = program:float(0.0)
        local made, sample = program:make("div_f", zero, zero), 0.0
        if tostring(sample / sample) ~= tostring(constant) then made = program:make("neg_f", made) end
        return value.new("float", made)
    end
    return value.new("text", program:text(constant))
end

-- Returns the constant that a value is, behind true; or false.
function value.known(program, of)
    local only = of[1]
    if #of ~= 1 then return false end
    if only.kind == "nil" then return true, nil end
    if SCALAR[only.kind] and program:is_const(only.val) then return true, program:value(only.val) end
    if only.kind == "static" then return true, only.val end
    return false
end

-- Returns the alternative of that kind, or nil.
function value.find(of, kind)
    for _, one in ipairs(of) do
        if one.kind == kind then return one end
    end
end

-- Of kinds that merge by choice: the one in `list` that goes with `one`.
local function mate(list, one)
    local text = one.kind == "text" or one.kind == "option"
    for _, other in ipairs(list) do
        if text and (other.kind == "text" or other.kind == "option") then return other end
        if other.kind == one.kind and (SCALAR[one.kind] or other.val == one.val) then return other end
    end
end

local function tidy(of)
    if #of == 1 then of[1].guard = TRUE end
    return of
end

-- Returns a where the condition holds, b where not.
function value.merge(program, condition, a, b)
    if condition == TRUE or a == b then return a elseif condition == FALSE then return b end
    local merged, taken = {}, {}
    for _, one in ipairs(a) do
        local other = mate(b, one)
        local kind, val, guard = one.kind, one.val
        if other then
            taken[other] = true
            guard = program:select(condition, one.guard, other.guard)
            if SCALAR[kind] then val = program:select(condition, val, other.val) end
            if other.kind == "option" then kind = "option" end
        else
            guard = program:land(condition, one.guard)
        end
        if guard ~= FALSE then merged[#merged + 1] = { kind = kind, guard = guard, val = val } end
    end
    for _, one in ipairs(b) do
        if not taken[one] then
            local guard = program:land(program:lnot(condition), one.guard)
            if guard ~= FALSE then merged[#merged + 1] = { kind = one.kind, guard = guard, val = one.val } end
        end
    end
    local i, f = value.find(merged, "int"), value.find(merged, "float")
    if i and f then
        local x, y = value.wide(program, a), value.wide(program, b)
        merged.wide = x and y and program:select(condition, x, y) or x or y
    end
    return tidy(merged)
end

-- Returns the value without the alternatives that `drop` says true for.
function value.without(of, drop)
    local left = {}
    for _, one in ipairs(of) do
        if not drop(one) then left[#left + 1] = { kind = one.kind, guard = one.guard, val = one.val } end
    end
    left.wide = of.wide
    return tidy(left)
end

-- Returns the number as a float, on every row where it is a number; nil when it never is.
function value.wide(program, of)
    local i, f = value.find(of, "int"), value.find(of, "float")
    if not i then return f and f.val end
    if not f then return program:i2f(i.val) end
    return of.wide or program:select(i.guard, program:i2f(i.val), f.val)
end

-- Returns where the value is neither nil nor false.
function value.truth(program, of)
    local falsy = FALSE
    for _, one in ipairs(of) do
        if one.kind == "nil" then
            falsy = program:lor(falsy, one.guard)
        elseif one.kind == "bool" then
            falsy = program:lor(falsy, program:land(one.guard, program:lnot(one.val)))
        elseif one.kind == "option" then
            falsy = program:lor(falsy, program:land(one.guard, program:is_nil(one.val)))
        end
    end
    return program:lnot(falsy)
end

-- Returns what the value is where it is neither nil nor false; nil when it never is.
function value.if_true(of)
    local left = {}
    for _, one in ipairs(of) do
        if one.kind == "bool" then
            if one.val ~= FALSE then left[#left + 1] = { kind = "bool", guard = one.guard, val = TRUE } end
        elseif one.kind == "option" then
            left[#left + 1] = { kind = "text", guard = one.guard, val = one.val }
        elseif one.kind ~= "nil" then
            left[#left + 1] = { kind = one.kind, guard = one.guard, val = one.val }
        end
    end
    left.wide = of.wide
    return left[1] and tidy(left)
end

-- Returns what the value is where it is nil or false; nil when it never is.
function value.if_false(program, of)
    local absent, no = FALSE, FALSE
    for _, one in ipairs(of) do
        if one.kind == "nil" or (one.kind == "option" and program:is_nil(one.val) ~= FALSE) then
            absent = program:lor(absent, one.guard)
        elseif one.kind == "bool" and one.val ~= TRUE then
            no = one.guard
        end
    end
    if no == FALSE then return absent ~= FALSE and value.NIL or nil end
    if absent == FALSE then return value.new("bool", FALSE) end
    return { { kind = "nil", guard = absent }, { kind = "bool", guard = no, val = FALSE } }
end

-- Returns the value with option taken apart into nil and text.
function value.apart(program, of)
    local option = value.find(of, "option")
    if not option then return of end
    local absent = program:is_nil(option.val)
    local nothing = program:land(option.guard, absent)
    local parts = { { kind = "text", guard = program:land(option.guard, program:lnot(absent)), val = option.val } }
    for _, one in ipairs(of) do
        if one.kind == "nil" then nothing = program:lor(nothing, one.guard)
        elseif one ~= option then parts[#parts + 1] = one end
    end
    if nothing ~= FALSE then parts[#parts + 1] = { kind = "nil", guard = nothing } end
    parts.wide = of.wide
    return parts
end

-- Returns where the value is nil.
function value.absent(program, of)
    local one = value.find(value.apart(program, of), "nil")
    return one and one.guard or FALSE
end

-- Returns what the value is where it is not nil.
function value.present(program, of)
    return value.without(value.apart(program, of), function(one) return one.kind == "nil" end)
end

-- What Lua calls the type of an alternative.
local TYPES = { bool = "boolean", int = "number", float = "number", text = "string", made = "string",
    table = "table", closure = "function", matches = "function", object = "table", map = "table", ["nil"] = "nil" }

function value.type(one)
    return TYPES[one.kind] or type(one.val)
end

return value
