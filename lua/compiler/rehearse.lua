-- Asks a program and the functions that it was made of the same questions, on objects made up around what the policy
-- speaks of: its texts, its labels, its numbers and their neighbours.

local api = require "api.api"
local errors = require "lib.errors"
local evaluate = require "compiler.evaluate"
local placement = require "lib.placement"
local reasons = require "lib.reason"
local ruling = require "lib.ruling"

local rehearse = {}

-- Numbers that are often an edge somewhere.
local INTEGERS = { 0, 1, 2, 3, -1, 10, 100, 1 << 20, 1 << 30, 1 << 33, math.maxinteger, math.mininteger, (1 << 53) + 1 }
local FLOATS = { 0.0, 0.5, 1.0, 2.0, 4.0, -1.0, 0.1, 1e9, -0.0, 1e300, 64.25 }

local NUMERALS = { "0", "1", "12", "-3", "0.5", " 7 ", "0x10", "1e3", "-0", "-0.0", "9223372036854775808", "1e999",
    "0x1p4", "nan", "12a", " ", "9223372036854775807",
    "-9223372036854775808", "0xffffffffffffffffff", ".5", "5.", "inf" }

-- Texts with something to find in them.
local WORDS = { "gpu-01", "r07-n12", "eu-west-1a", "Debian GNU/Linux 12", " a, b ", "aab", "A", "truea", "x1", "Gold",
    "(x)%1", "n1", "-", "\u{fc}ber" }
local OF_TEXTS = { len_s = true, lt_s = true, le_s = true, find_s = true, match_at = true, match_end = true,
    gsub_n = true, sub_s = true, lower_s = true, upper_s = true, reverse_s = true, concat_s = true, capture_s = true,
    gsub_s = true }

local function raised_by(fn)
    local _, message = pcall(fn, 1, 0)
    return (message:gsub("^.-:%d+: ", ""))
end
local BY_ZERO = {
    [raised_by(function(a, b) return a // b end)] = true, [raised_by(function(a, b) return a % b end)] = true,
}

-- A small generator, so that a seed gives the same rows everywhere.
local function generator(seed)
    local state = seed * 2654435761 + 1442695040888963407
    return function(count)
        state = state * 6364136223846793005 + 1442695040888963407
        return (state >> 33) % count + 1
    end
end

-- Collects what the program speaks of.
local function vocabulary(program)
    local words = { texts = { "", "other" }, integers = { table.unpack(INTEGERS) }, floats = { table.unpack(FLOATS) },
        keys = {} }
    local reads_numbers, reads_texts = false, false
    for _, op in ipairs(program.ops) do
        reads_numbers = reads_numbers or op[1]:find "num_[if]$"
        reads_texts = reads_texts or OF_TEXTS[op[1]]
        if op[1] == "const_s" then
            words.texts[#words.texts + 1] = op[2]
        elseif op[1] == "const_i" then
            local number = math.tointeger(op[2])
            for delta = -1, 1 do words.integers[#words.integers + 1] = number + delta end
            words.floats[#words.floats + 1] = number + 0.0
        elseif op[1] == "const_f" and not op[2]:find "inf" then
            local number = tonumber(op[2]) + 0.0
            words.floats[#words.floats + 1] = number
            words.floats[#words.floats + 1] = number + 1
            words.integers[#words.integers + 1] = math.tointeger(number)
        elseif op[1] == "map" then
            local key = program.ops[op[3] + 1]
            if key[1] == "const_s" then
                words.keys[op[2]] = words.keys[op[2]] or {}
                table.insert(words.keys[op[2]], key[2])
            end
        end
    end
    if reads_numbers then table.move(NUMERALS, 1, #NUMERALS, #words.texts + 1, words.texts) end
    if reads_texts then table.move(WORDS, 1, #WORDS, #words.texts + 1, words.texts) end
    return words
end

local makers = {}

function makers.boolean(_, draw) return draw(2) == 1 end
function makers.integer(words, draw) return words.integers[draw(#words.integers)] end
function makers.number(words, draw) return words.floats[draw(#words.floats)] end
makers["string"] = function(words, draw) return words.texts[draw(#words.texts)] end
makers["string|nil"] = function(words, draw)
    return draw(3) > 1 and words.texts[draw(#words.texts)] or nil
end
makers["table<string, string>"] = function(words, draw, path)
    local map = {}
    for _, key in ipairs(words.keys[path] or {}) do
        if draw(4) > 1 then map[key] = words.texts[draw(#words.texts)] end
    end
    -- Labels that are asked for by what another one says.
    for _, text in ipairs(words.texts) do
        if draw(8) == 1 then map[text] = words.texts[draw(#words.texts)] end
        if draw(24) == 1 then map[text .. words.texts[draw(#words.texts)]] = words.texts[draw(#words.texts)] end
    end
    return map
end

local function object(name, words, draw)
    local made = {}
    for _, description in ipairs(api.objects) do
        if description.name == name then
            for _, field in ipairs(description.fields) do
                made[field.name] = makers[field.type](words, draw, name .. "." .. field.name)
            end
        end
    end
    return made
end

-- Whether two numbers have the same bits; of a NaN it is enough that both are one.
local function same(a, b)
    a, b = a * 1.0, b * 1.0 -- a sum with 0.0 would lose the sign of a zero
    return string.pack("n", a) == string.pack("n", b) or (a ~= a and b ~= b)
end

-- What the file's functions say, in one form: {ok, score | reason, asks}.
local POLICIES = {
    placement = { objects = { "node", "workload" } },
    admission = { objects = { "request", "project" } },
    approval = { objects = { "applicant", "token" } },
}

function POLICIES.placement.answer(file, globals, objects)
    return placement.answer(file, globals, objects.node, objects.workload)
end

-- What a refusal without a reason says.
function POLICIES.placement.unsaid(file) return "refused by the filter of " .. file end
function POLICIES.admission.unsaid() return "" end
POLICIES.approval.unsaid = POLICIES.admission.unsaid

local function ruled(answer)
    return { ok = answer.verdict == "accept", score = 0.0, reason = answer.reason or "",
        asks = answer.verdict == "ask" or nil }
end

function POLICIES.admission.answer(file, globals, objects)
    return ruled(ruling.answer(file, "admit", globals.admit, objects.request, objects.project))
end

function POLICIES.approval.answer(file, globals, objects)
    return ruled(ruling.answer(file, "approve", globals.approve, objects.applicant, objects.token))
end

-- Returns nil when a program and the file's functions agree about objects, or how they differ.
local function difference(policy, prepared, file, globals, objects)
    local ok, real = errors.catch("policy", file, policy.answer, file, globals, objects)
    local made = evaluate.row(prepared, objects)
    if made.left then return nil, true end -- Lua is asked, and this is what it says
    if not ok then
        -- Of a division by zero, Lua 5.4.4 tells the line of something before it.
        local line = made.trap and BY_ZERO[made.trap] and real.line or made.line
        local told = made.trap and ("%s:%d: %s"):format(file, line, made.trap) or "no error"
        return told ~= real.sentence and ("%s, and the program: %s"):format(real.sentence, told) or nil
    elseif made.trap then
        return ("no error, and the program: line %d: %s"):format(made.line, made.trap)
    elseif made.ok ~= real.ok then
        return ("the verdict is %s, and the program's is not"):format(real.ok)
    elseif not real.ok then
        local reason = reasons.told(made.reason or policy.unsaid(file))
        if made.rules ~= 1 then return "more than one rule holds" end
        if made.rule.asks ~= real.asks then return "one leaves it to a person, and the other refuses" end
        return reason ~= real.reason and ("'%s', and the program: '%s'"):format(real.reason, reason) or nil
    end
    if same(real.score, made.score) then return nil end
    return ("the score is %s, and the program's %s"):format(real.score, made.score)
end

-- Asks `count` times from a seed. globals: what the file defined; its functions are called. name: of the policy, by
-- default "placement". Returns nil, or how they differ, and the objects by name.
function rehearse.compare(program, file, globals, seed, count, name)
    local policy, draw, words = POLICIES[name or "placement"], generator(seed), vocabulary(program)
    local prepared, left = evaluate.prepare(program), 0
    for _ = 1, count do
        local objects = {}
        for _, each in ipairs(policy.objects) do objects[each] = object(each, words, draw) end
        local found, is_left = difference(policy, prepared, file, globals, objects)
        if found then return found, objects end
        left = left + (is_left and 1 or 0)
    end
    if left == count then return "all rows are left to Lua", {} end
end

return rehearse
