-- Runs a program on one row, in Lua: for tests, and for the check that a program which has just been made says what
-- its policy says.

local ordered = require "lib.ordered"

local evaluate = {}

local operations = {}

-- Each takes its operands' values.
local BODIES = [[
add_i a+b  sub_i a-b  mul_i a*b  neg_i -a  band a&b  bor a|b  bxor a~b  bnot ~a  shl a<<b  shr a>>b
lt_i a<b  le_i a<=b  eq_i a==b  lt_f a<b  le_f a<=b  eq_f a==b  lt_if a<b  le_if a<=b  lt_fi a<b  le_fi a<=b
eq_if a==b  add_f a+b  sub_f a-b  mul_f a*b  div_f a/b  idiv_f a//b  mod_f a%b  pow_f a^b  neg_f -a
not (not a)  and (a and b)  or (a or b)  xor a~=b  i2f a+0.0  eq_s a==b  is_nil a==nil
]]
for line in BODIES:gmatch "[^\n]+" do
    for entry in (line .. "  "):gmatch "(.-)  +" do
        local name, body = entry:match "^(%S+) (.+)$"
        if name then operations[name] = load("local a, b = ... return " .. body, "=" .. name) end
    end
end

function operations.idiv_i(a, b) return b == 0 and 0 or a // b end
function operations.mod_i(a, b) return b == 0 and 0 or a % b end
function operations.fmod_i(a, b) return b == 0 and 0 or math.fmod(a, b) end
function operations.fmod_f(a, b) return math.fmod(a, b) end
operations.ult_i, operations.abs_i, operations.abs_f = math.ult, math.abs, math.abs
operations.sqrt_f, operations.exp, operations.log = math.sqrt, math.exp, function(a) return math.log(a) end
operations.sin, operations.cos, operations.tan = math.sin, math.cos, math.tan
function operations.log2(a) return math.log(a, 2) end
function operations.log10(a) return math.log(a, 10) end
function operations.f2i(a) return math.tointeger(a) or 0 end
function operations.is_int_f(a) return math.tointeger(a) ~= nil end

-- The number that a text is.
local function numeral(text, type)
    local number = text ~= nil and tonumber(text) or nil
    return math.type(number) == type and number or nil
end
function operations.is_num_i(text) return numeral(text, "integer") ~= nil end
function operations.is_num_f(text) return numeral(text, "float") ~= nil end
function operations.num_i(text) return numeral(text, "integer") or 0 end
function operations.num_f(text) return numeral(text, "float") or (numeral(text, "integer") or 0) + 0.0 end

-- Texts; what is nil there has no result that anybody asks for.
function operations.len_s(a) return a and #a or 0 end
function operations.lt_s(a, b) return a ~= nil and b ~= nil and a < b end
function operations.le_s(a, b) return a ~= nil and b ~= nil and a <= b end
function operations.find_s(a, b) return a and b and string.find(a, b, 1, true) or 0 end
function operations.match_at(a, b) return a and string.find(a, b) or 0 end
function operations.match_end(a, b) return a and select(2, string.find(a, b)) or 0 end
function operations.gsub_n(a, b) return a and select(2, string.gsub(a, b, "")) or 0 end
function operations.sub_s(a, b, c) return a and string.sub(a, b, c) end
function operations.lower_s(a) return a and string.lower(a) end
function operations.upper_s(a) return a and string.upper(a) end
function operations.reverse_s(a) return a and string.reverse(a) end
function operations.concat_s(a, b) return a and b and a .. b end
function operations.gsub_s(a, b, c) return a and (string.gsub(a, b, c)) end
function operations.text_i(a) return ("%d"):format(a) end
function operations.byte_s(a, b) return a and string.byte(a, b) or 0 end
-- A NaN has no sign in texts.
local NAN = string.unpack("<d", "\0\0\0\0\0\0\xf8\x7f")
function operations.text_f(a) return tostring(a == a and a or NAN) end
function operations.format_i(a, b) return b:format(a) end
function operations.format_f(a, b) return b:format(a == a and a or NAN) end

local MATCHES_MAX = 32 -- LAT_PROGRAM_MATCHES_MAX of core/policy

-- What string.gmatch finds, in one list; one more where there are more turns than that.
function operations.parts_s(a, b)
    if not a then return nil end
    local parts, turns = {}, 0
    for first, second, third, fourth, fifth, sixth, seventh, eighth in a:gmatch(b) do
        local found = { first, second, third, fourth, fifth, sixth, seventh, eighth }
        turns = turns + 1
        if turns > MATCHES_MAX then
            parts[#parts + 1] = ""
            break
        end
        table.move(found, 1, #found, #parts + 1, parts)
    end
    return parts
end
function operations.parts_n(a) return a and #a or 0 end
function operations.part_s(a, b) return a and a[b + 1] end
function operations.part_is(a, b, c) return c ~= nil and a ~= nil and a[b + 1] == c end

function operations.capture_s(a, b, c)
    local found = a and table.pack(string.find(a, b))
    if not found or not found[1] then return nil end
    if c == 0 then return string.sub(a, found[1], found[2]) end
    return found[2 + c]
end

-- math.floor makes integers where it can; a zero keeps its sign here.
function operations.floor_f(a)
    if a == 0 then return a end
    return math.floor(a) + 0.0
end

function operations.ceil_f(a)
    if a == 0 then return a end
    local up = math.ceil(a) + 0.0
    return up == 0 and -0.0 or up
end

for _, letter in ipairs { "b", "i", "f", "s" } do
    operations["select_" .. letter] = function(c, a, b)
        if c then return a end
        return b
    end
end

local function constant(op)
    if op[1] == "const_i" then return math.tointeger(tonumber(op[2])) end
    if op[1] ~= "const_f" then return op[2] end
    if op[2] == "inf" then return math.huge elseif op[2] == "-inf" then return -math.huge end
    if op[2] == "nan" then return 0.0 / 0.0 end
    return tonumber(op[2]) -- with an exponent, so that it is a float, and -0 stays what it is
end

-- Returns what each value is computed by: {fn, indexes of its operands}, {object, field, index of the key or the place,
-- entry: which part of it} or {value}.
local function steps_of(program)
    local steps = {}
    for index, op in ipairs(program.ops) do
        local name = op[1]
        if name:find "^const_" then
            steps[index] = { value = constant(op) }
        elseif name == "field" or name == "map" or name == "key_at" or name == "value_at" then
            local object, field = op[2]:match "^(%a+)%.(.+)$"
            steps[index] = { object = object, field = field, key = op[3] and op[3] + 1,
                entry = (name == "key_at" or name == "value_at") and name }
        else
            steps[index] = { fn = operations[name], (op[2] or 0) + 1, (op[3] or 0) + 1, (op[4] or 0) + 1 }
        end
    end
    return steps
end

-- Returns a part of the entry in a place of a map; orders: of the keys of maps.
local function entry_of(map, place, part, orders)
    orders[map] = orders[map] or ordered.keys(map)
    local key = orders[map][place + 1]
    if part == "key_at" or key == nil then return key end
    return map[key]
end

local function compute(steps, objects)
    local values, orders = {}, {}
    for index = 1, #steps do
        local step = steps[index]
        local fn, result = step.fn
        if fn then
            result = fn(values[step[1]], values[step[2]], values[step[3]])
        elseif step.field then
            result = objects[step.object][step.field]
            if step.entry then
                result = entry_of(result, values[step.key], step.entry, orders)
            elseif step.key then
                local key = values[step.key]
                result = key ~= nil and result[key] or nil
            end
        else
            result = step.value
        end
        values[index] = result
    end
    return values
end

local function write(parts, values)
    local texts = {}
    for index, part in ipairs(parts) do
        if type(part) == "string" then texts[index] = part
        elseif part.format then texts[index] = part.format:format(values[part.value + 1])
        else texts[index] = tostring(values[part.value + 1]) end
    end
    return table.concat(texts)
end

-- Returns a program that can be run, as often as one likes.
function evaluate.prepare(program)
    return { program = program, steps = steps_of(program) }
end

-- Runs it on objects by name: {node, workload}, {request, project} or {applicant, token}. Returns
-- {trap, line, left} | {ok = false, reason?, rule, rules: how many held} | {ok = true, score, terms}.
function evaluate.row(prepared, objects)
    local program, values = prepared.program, compute(prepared.steps, objects)
    for _, trap in ipairs(program.traps or {}) do
        if values[trap.when + 1] then return { trap = trap.message, line = trap.line, left = trap.left } end
    end
    local refused, held = nil, 0
    for _, rule in ipairs(program.rules or {}) do
        if values[rule.when + 1] then refused, held = refused or rule, held + 1 end
    end
    if refused then
        return { ok = false, reason = refused.reason and write(refused.reason, values), rule = refused, rules = held }
    end
    local score = program.score and values[program.score + 1] or 0.0
    if score ~= score or score == math.huge or score == -math.huge then
        return { trap = "score returned a number that is not finite; it returns a finite number",
            line = program.score_line }
    end
    local terms = {}
    for index, term in ipairs(program.terms or {}) do terms[index] = values[term.value + 1] end
    return { ok = true, score = score, terms = terms }
end

return evaluate
