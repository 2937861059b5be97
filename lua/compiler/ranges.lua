-- What is known about numbers: bounds, so that checks which cannot fail are left out, and integers and floats
-- are one where no bit tells them apart.
--
--   integer   { low, high }: within +-2^53, so that it is exact as a float too; nil: nothing is known
--   float     { low, high, integral = true? }: never NaN, never infinite; nil: nothing is known

local ranges = {}

local EXACT = 1 << 53
local HUGE = 2.0 ^ 1000

function ranges.float(value)
    if value ~= value or math.abs(value) > HUGE then return nil end
    return { value, value, integral = value % 1 == 0 }
end

-- Rounds down and leaves a float, which math.floor does not.
function ranges.floor(value)
    return value == 0 and value or value - value % 1
end

function ranges.integer(low, high)
    if low < -EXACT or high > EXACT then return nil end
    return { low, high }
end

local function float(low, high, integral)
    if not (low >= -HUGE and high <= HUGE) then return nil end
    return { low, high, integral = integral }
end

-- The bounds of a product, or nil.
local function product(a, b)
    local low, high = math.huge, -math.huge
    for i = 1, 2 do
        for j = 1, 2 do
            local value = (a[i] + 0.0) * (b[j] + 0.0)
            low, high = math.min(low, value), math.max(high, value)
        end
    end
    return low, high
end

local rules = {}

function rules.add_i(a, b) return ranges.integer(a[1] + b[1], a[2] + b[2]) end
function rules.sub_i(a, b) return ranges.integer(a[1] - b[2], a[2] - b[1]) end
function rules.neg_i(a) return ranges.integer(-a[2], -a[1]) end

function rules.mul_i(a, b)
    local low, high = product(a, b)
    if low < -EXACT or high > EXACT then return nil end
    return ranges.integer(math.tointeger(low), math.tointeger(high))
end

function rules.add_f(a, b) return float(a[1] + b[1], a[2] + b[2], a.integral and b.integral) end
function rules.sub_f(a, b) return float(a[1] - b[2], a[2] - b[1], a.integral and b.integral) end
function rules.neg_f(a) return float(-a[2], -a[1], a.integral) end
function rules.floor_f(a) return float(a[1] - 1, a[2], true) end
function rules.ceil_f(a) return float(a[1], a[2] + 1, true) end

function rules.abs_f(a)
    local most = math.max(-a[1], a[2])
    return float(0.0, most, a.integral)
end

function rules.mul_f(a, b)
    local low, high = product(a, b)
    return float(low, high, a.integral and b.integral)
end

-- By one number alone, and not one so small that the quotient overflows.
function rules.div_f(a, b)
    if b[1] ~= b[2] or math.abs(b[1]) < 1e-100 then return nil end
    local low, high = product(a, { 1 / b[1], 1 / b[1] })
    local slack = 1e-9 * math.max(math.abs(low), math.abs(high)) + 1e-300
    return float(low - slack, high + slack)
end

function rules.idiv_f(a, b)
    local quotient = rules.div_f(a, b)
    return quotient and float(quotient[1] - 1, quotient[2] + 1, true)
end

-- Lengths and places.
local OF_TEXTS = { len_s = true, find_s = true, match_at = true, match_end = true, gsub_n = true,
    byte_s = true, parts_n = true }

-- Returns what is known about the result of an operation on x, y, z (as in ssa.ops; y and z may be nil).
function ranges.of(name, x, y, z)
    if OF_TEXTS[name] then return ranges.integer(0, 1 << 31) end
    if name == "i2f" then
        local known = x.range
        if known then return { known[1] + 0.0, known[2] + 0.0, integral = true } end
        return { -2.0 ^ 63, 2.0 ^ 63, integral = true }
    elseif name == "select_i" or name == "select_f" then
        local a, b = y.range, z.range
        if not a or not b then return nil end
        return { math.min(a[1], b[1]), math.max(a[2], b[2]), integral = a.integral and b.integral }
    elseif name == "f2i" then
        local known = x.range
        if not known or not known.integral or known[1] < -EXACT or known[2] > EXACT then return nil end
        return { math.floor(known[1]), math.ceil(known[2]) } -- bounds are rounded, where what they bound is integral
    end
    local rule = rules[name]
    if not rule or not x.range or (y and not y.range) then return nil end
    return rule(x.range, y and y.range)
end

return ranges
