-- Lua's operations on texts, as operations of the program: parts of a text, its length, what is found in it. A text
-- that is put together (`made`) becomes one here, where something else than a reason is done with it.

local patterns = require "compiler.patterns"
local ssa = require "compiler.ssa"
local value = require "compiler.value"

local texts = {}

local FALSE = ssa.FALSE

local MATCHED_MAX = 1024 -- bytes of a text that a pattern is looked for in, as in core/policy/program.h

-- Returns one part of a reason as a text of the program; nil for a text in a width.
local function part_of(program, part)
    if type(part) == "string" then return program:text(part) end
    local val, kind = part.val, program.ops[part.val].type
    if part.format and part.format:sub(-1) == "s" then return nil end
    if part.format then
        return program:make(kind == "I" and "format_i" or "format_f", val, program:text(part.format))
    end
    if kind == "I" then return program:make("text_i", val) end
    if kind == "F" then return program:make("text_f", val) end
    if kind == "B" then return program:select(val, program:text "true", program:text "false") end
    return val
end

-- Returns an alternative that is a text or a number as a text of the program, for a reason alone; nil where that
-- cannot be.
function texts.for_reason(program, one)
    if one.kind == "int" or one.kind == "float" then return part_of(program, { val = one.val }) end
    if one.kind ~= "made" then return one.val end
    local whole = program:text ""
    for _, part in ipairs(one.val) do
        local text = part_of(program, part)
        if not text then return nil end
        whole = program:concat(whole, text)
    end
    return whole
end

-- Returns a text of the program as an alternative.
function texts.alternative(program, text)
    if program:is_loose(text) then return { kind = "made", guard = ssa.TRUE, val = { { val = text } } } end
    return { kind = "text", guard = ssa.TRUE, val = text }
end

-- Returns alternatives that are texts or numbers as one text, for a reason alone; nil where that cannot be.
function texts.joined(program, alternatives)
    local result
    for _, one in ipairs(alternatives) do
        local text = texts.for_reason(program, one)
        if not text then return nil end
        result = result and program:select(one.guard, text, result) or text
    end
    return result
end

-- Returns an alternative that is a text as one of the program; nil when a number with decimals is in it.
function texts.of(program, one)
    local text = texts.for_reason(program, one)
    return text and not program:is_loose(text) and text or nil
end

-- The same, and stops the compiling where it cannot be.
function texts.must(m, line, one)
    local text = texts.of(m.program, one)
    if not text then
        m.refuse(line, "something is done with a text that has a number with decimals in it",
            "put whole numbers into texts, or leave such a text to the reason")
    end
    return text
end

-- Returns the length of an alternative that is a text.
function texts.length(m, line, one)
    return m.program:make("len_s", texts.must(m, line, one))
end

-- ---- arguments

-- Returns an argument that has to be a text; nil when no row goes on.
local function text_at(call, index)
    local m, of, result = call.m, call.args[index], nil
    if not of then
        call.raise(call, index)
        return nil
    end
    for _, one in ipairs(value.apart(m.program, of)) do
        if one.kind == "text" or one.kind == "made" then
            local text = texts.must(m, call.node.line, one)
            result = result and m.program:select(one.guard, text, result) or text
        elseif one.kind == "int" or one.kind == "float" then
            m.refuse(call.node.line, ("%s is given a number, which would become text"):format(call.name),
                "give it a text")
        else
            call.raise(call, index, one)
        end
    end
    if not result then m:finish() end
    return not m:dead() and result or nil
end

-- Returns a constant argument; nil when it is none, or absent.
local function known_at(call, index)
    local known, constant = value.known(call.m.program, call.args[index] or value.NIL)
    if not known then
        call.m.refuse(call.node.line, ("argument %d of %s is known to a row only"):format(
            call.method and index - 1 or index, call.name), "write it as a constant")
    end
    return constant
end

-- Returns how many captures the pattern has that is an argument.
local function pattern_of(call, text, pattern)
    local m, program = call.m, call.m.program
    if not program:is_const(pattern) then
        m.refuse(call.node.line, ("%s is given a pattern that is known to a row only"):format(call.name),
            "write the pattern, or look for a text as it is: text:find(part, 1, true)")
    end
    local captures, why = patterns.read(program:value(pattern))
    if not captures then
        m.refuse(call.node.line, ("the pattern %q %s"):format(program:value(pattern), why), "write a simpler pattern")
    elseif program:longest(text) > MATCHED_MAX then
        m.refuse(call.node.line, "a pattern is looked for in too long a text", "look for it in the parts")
    end
    return captures
end

-- Refuses a search that does not begin at the beginning.
local function check_beginning(call)
    local init = known_at(call, 3)
    if init ~= nil and init ~= 1 then
        call.m.refuse(call.node.line, ("%s is told where to begin"):format(call.name), "look into text:sub(place)")
    end
end

local function capture(program, text, pattern, index)
    return value.new("option", program:make("capture_s", text, pattern, program:int(index)))
end

-- An integer that there is where something was found.
local function place(program, found, val)
    return value.merge(program, found, value.new("int", val), value.NIL)
end

-- ---- functions: each is handed the call (builtins.lua), and returns a list of values, and false when it is now
-- longer, now shorter

function texts.len(call)
    local text = text_at(call, 1)
    return text and { value.new("int", call.m.program:make("len_s", text)) } or {}
end

for name, op in pairs { lower = "lower_s", upper = "upper_s", reverse = "reverse_s" } do
    texts[name] = function(call)
        local text = text_at(call, 1)
        return text and { value.new("text", call.m.program:make(op, text)) } or {}
    end
end

function texts.sub(call)
    local m, program, text = call.m, call.m.program, text_at(call, 1)
    local first = text and call.integer_at(call, 2)
    if not first then return {} end
    local given, last = call.args[3], program:int(-1)
    if given and not (#given == 1 and given[1].kind == "nil") then
        if value.absent(program, given) ~= FALSE then
            m.refuse(call.node.line, "the end that string.sub is given may be nil", "give it a number: end or -1")
        end
        last = call.integer_at(call, 3)
    end
    return last and { value.new("text", program:make("sub_s", text, first, last)) } or {}
end

function texts.byte(call)
    local m, program, text = call.m, call.m.program, text_at(call, 1)
    local at = text and (call.args[2] and call.integer_at(call, 2) or program:int(1))
    if not at then return {} end
    if call.args[3] then m.refuse(call.node.line, "string.byte is asked for several", "ask for one at a time") end
    local byte = program:make("byte_s", text, at)
    return { place(program, program:lnot(program:make("eq_i", byte, program:int(0))), byte) }, false
end

function texts.find(call)
    local program, text = call.m.program, text_at(call, 1)
    local wanted = text and text_at(call, 2)
    if not wanted then return {} end
    check_beginning(call)
    local one, captures = program:int(1), 0
    local at, last
    if known_at(call, 4) or (program:is_const(wanted) and patterns.is_plain(program:value(wanted))) then
        at = program:make("find_s", text, wanted)
        last = program:make("sub_i", program:make("add_i", at, program:make("len_s", wanted)), one)
    else
        captures = pattern_of(call, text, wanted)
        at, last = program:make("match_at", text, wanted), program:make("match_end", text, wanted)
    end
    local found = program:lnot(program:make("eq_i", at, program:int(0)))
    local values = { place(program, found, at), place(program, found, last) }
    for index = 1, captures do values[2 + index] = capture(program, text, wanted, index) end
    return values, false
end

function texts.match(call)
    local program, text = call.m.program, text_at(call, 1)
    local pattern = text and text_at(call, 2)
    if not pattern then return {} end
    check_beginning(call)
    local captures = pattern_of(call, text, pattern)
    if captures == 0 then return { capture(program, text, pattern, 0) } end
    local values = {}
    for index = 1, captures do values[index] = capture(program, text, pattern, index) end
    return values, captures == 1
end

function texts.gsub(call)
    local m, program, text = call.m, call.m.program, text_at(call, 1)
    local pattern = text and text_at(call, 2)
    if not pattern then return {} end
    local captures = pattern_of(call, text, pattern)
    local replacement = known_at(call, 3)
    if type(replacement) ~= "string" or call.args[4] then
        m.refuse(call.node.line, "string.gsub is given something else than a text to put in its place",
            "give it three texts")
    elseif not patterns.replaces(captures, replacement) then
        m.refuse(call.node.line, ("the replacement %q names what there is not"):format(replacement),
            "write %% for a per cent sign")
    end
    return { value.new("text", program:make("gsub_s", text, pattern, program:text(replacement))),
        value.new("int", program:make("gsub_n", text, pattern)) }
end

-- What string.gmatch returns: an alternative for a loop to go by (matches.lua). There a ^ is a byte like others.
function texts.gmatch(call)
    local m, program, text = call.m, call.m.program, text_at(call, 1)
    local pattern = text and text_at(call, 2)
    if not pattern then return {} end
    if call.args[3] then
        m.refuse(call.node.line, "string.gmatch is told where to begin", "look into text:sub(place)")
    end
    if program:is_const(pattern) then pattern = program:text((program:value(pattern):gsub("^%^", "%%^"))) end
    local captures = pattern_of(call, text, pattern)
    local parts = program:make("parts_s", text, pattern)
    return { value.new("matches", { parts = parts, count = program:make("parts_n", parts),
        each = math.max(captures, 1) }) }
end

-- ---- comparison

-- less or less-or-equal (`op`: lt_s or le_s) of the texts among the alternatives: where both are texts and it holds.
function texts.compare(m, node, op, a, b)
    local program, result = m.program, FALSE
    for _, one in ipairs(a) do
        for _, other in ipairs(b) do
            local both = program:land(one.guard, other.guard)
            if both ~= FALSE and value.type(one) == "string" and value.type(other) == "string" then
                local holds = program:make(op, texts.must(m, node.line, one), texts.must(m, node.line, other))
                result = program:lor(result, program:land(both, holds))
            end
        end
    end
    return result
end

return texts
