-- A program as it goes over the wire: the values that something needs, numbered anew.

local ssa = require "compiler.ssa"

local emit = {}

local OPS_MAX, PARTS_MAX, TEXT_MAX = 4096, 1024, 65536

-- What an operation costs for a node, as core/policy counts it: nothing stops a decision over all nodes that has begun.
local COST_MAX, COST = 4 * OPS_MAX, 4
local COSTS = { mod_f = 1024, fmod_f = 1024 }
for name in ("and or xor not select_b"):gmatch "%S+" do COSTS[name] = 1 end -- 64 nodes are a word
for name in ("pow_f exp log log2 log10 sin cos tan"):gmatch "%S+" do COSTS[name] = 256 end
for name in ("match_at match_end capture_s gsub_s gsub_n parts_s"):gmatch "%S+" do COSTS[name] = 128 end
local OF_TEXTS = [[is_num_i is_num_f num_i num_f len_s lt_s le_s find_s sub_s lower_s upper_s reverse_s concat_s
    text_i text_f format_i format_f byte_s parts_n part_s part_is]]
for name in OF_TEXTS:gmatch "%S+" do COSTS[name] = 16 end
local MADE_COST = 128 -- of a text that is made for each node, beside its bytes
local TELLING_MAX = 2 * COST_MAX -- of what one rule tells of a node: that is made for one at a time, and not kept
local ONCE_MAX = 16 * COST_MAX -- of all that depends on no node
local READ_MAX, LOOKED_BYTES, TRIED_BYTES = 256, 16, 32 -- texts longer than fields take time to look at

local COSTS_BY_LENGTH = { match_at = true, match_end = true, capture_s = true, gsub_s = true, gsub_n = true,
    parts_s = true }
for name in OF_TEXTS:gmatch "%S+" do COSTS_BY_LENGTH[name] = true end

local PATTERNS = { match_at = true, match_end = true, capture_s = true, gsub_s = true, gsub_n = true, parts_s = true }

-- What an operation takes. What a pattern does grows with what it repeats (of sets and the like this may count too
-- much), and with the places where it is tried.
local function work_of(program, op)
    local cost = COSTS[op[1]] or COST
    if not PATTERNS[op[1]] then return cost end
    local pattern = program:value(op[3])
    local _, repeats = pattern:gsub("%%.", ""):gsub("[-*+?]", "")
    return cost // (pattern:find "^%^" and 4 or 1) * (1 + repeats)
end

local TOO_MUCH = "it uses too many patterns, functions of math, powers, % of floats and new texts for one node"
local TOO_MUCH_ONCE = "it makes too many long texts of the workload or the request, or looks through too many"

-- What an operation costs by the length of its texts: those that it makes, and long ones that it looks at.
local function length_of(program, op)
    if not COSTS_BY_LENGTH[op[1]] then return 0 end
    local is_made = op.type == "S" or op.type == "L"
    -- All parts of a text together are no longer than it is, for each capture.
    local made = is_made and MADE_COST + op.longest // (op[1] == "part_s" and ssa.MATCHES_MAX or 1) or 0
    local read = 0
    for at = 2, 4 do
        local type = op[at] and program.ops[op[at]].type
        if type == "S" or type == "L" then read = read + program:longest(op[at]) end
    end
    if read <= 2 * READ_MAX or is_made and not PATTERNS[op[1]] then return made end
    return made + (PATTERNS[op[1]] and work_of(program, op) * (read // TRIED_BYTES) or read // LOOKED_BYTES)
end

-- How many operations there are, and what they take: of a node, and of a decision. A text may be another one for each
-- node, and those that are not for reasons alone are there at once.
local function costs(program, used, for_all)
    local count, each, once = 0, 0, 0
    for id in pairs(used) do
        count = count + 1
        local op = program.ops[id]
        local work, length = work_of(program, op), length_of(program, op)
        each = each + work + (for_all[id] and op.on == "node" and length or 0)
        once = once + (op.on ~= "node" and work + length or 0)
    end
    return count, each, once
end

local function cost_of_reason(program, told, for_all)
    local cost = 0
    for id in pairs(told) do
        local op = program.ops[id]
        if not for_all[id] and op.on == "node" then cost = cost + work_of(program, op) + length_of(program, op) end
    end
    return cost
end

local READS_MAP = { map = true, key_at = true, value_at = true }

local OPERANDS = { const_b = 0, const_i = 0, const_f = 0, const_s = 0, field = 0 }

local function float_text(number)
    if number == math.huge then return "inf" elseif number == -math.huge then return "-inf" end
    return ("%a"):format(number)
end

local writer = {}
writer.__index = writer

-- Marks a value and what it is made of.
function writer:need(id)
    if not id or self.used[id] then return end
    self.used[id] = true
    local op = self.ops[id]
    if READS_MAP[op[1]] then
        self:need(op[3])
    elseif not OPERANDS[op[1]] then
        for at = 2, 4 do self:need(op[at]) end
    end
end

-- Texts travel as JSON, between processes and to people.
function writer:count_text(text)
    if not utf8.len(text) or text:find("\0", 1, true) then
        error({ limit = "it has a text that is not UTF-8, or has a zero in it" }, 0)
    end
    self.text = self.text + #text + 1
    if self.text > TEXT_MAX then error({ limit = "its texts are too long" }, 0) end
    return text
end

function writer:op(id)
    local op = self.ops[id]
    local name = op[1]
    if name == "const_b" then return { name, op[2] } end
    if name == "const_i" then return { name, ("%d"):format(op[2]) } end
    if name == "const_f" then return { name, float_text(op[2]) } end
    if name == "const_s" then return { name, self:count_text(op[2]) } end
    if name == "field" then return { name, op[2] } end
    if READS_MAP[name] then return { name, op[2], self.number[op[3]] } end
    local written = { name }
    for at = 2, 4 do
        if op[at] then written[at] = self.number[op[at]] end
    end
    return written
end

function writer:reason(parts)
    if not parts then return nil end
    local reason = {}
    self.parts = self.parts + #parts
    if self.parts > PARTS_MAX then error({ limit = "its reasons have too many parts" }, 0) end
    for index, part in ipairs(parts) do
        if type(part) == "string" then
            reason[index] = self:count_text(part)
        else
            reason[index] = { value = self.number[part.val], format = part.format }
        end
    end
    return reason
end

-- Returns how many values it takes to decide by a function: the traps from the first on, and its rules or its score.
function emit.size(program, found, name, traps)
    local self = setmetatable({ ops = program.ops, used = {} }, writer)
    for index = traps + 1, #found.traps do self:need(found.traps[index].when) end
    if name == "score" then
        self:need(found.score)
    else
        for _, rule in ipairs(found.rules) do self:need(rule.when) end
    end
    local count = 0
    for _ in pairs(self.used) do count = count + 1 end
    return count
end

-- Returns the program as a table for JSON. found: {traps, rules, score, score_line, terms} with values of `program`.
function emit.program(program, found)
    local self = setmetatable({ ops = program.ops, used = {}, number = {}, text = 0, parts = 0 }, writer)
    for _, trap in ipairs(found.traps) do self:need(trap.when) end
    for _, rule in ipairs(found.rules) do self:need(rule.when) end
    self:need(found.score)
    for _, term in ipairs(found.terms) do self:need(term.val) end
    local for_all = {}
    for id in pairs(self.used) do for_all[id] = true end
    local decides = self.used
    for _, rule in ipairs(found.rules) do
        self.used = {}
        self:need(rule.have)
        self:need(rule.need)
        for _, part in ipairs(rule.reason or {}) do
            if type(part) == "table" then self:need(part.val) end
        end
        if cost_of_reason(program, self.used, for_all) > TELLING_MAX then error({ limit = TOO_MUCH }, 0) end
        for id in pairs(self.used) do decides[id] = true end
    end
    self.used = decides
    local count, each, once = costs(program, self.used, for_all)
    if count > OPS_MAX then error({ limit = ("it makes more than %d values"):format(OPS_MAX) }, 0) end
    if each > COST_MAX then error({ limit = TOO_MUCH }, 0) end
    if once > ONCE_MAX then error({ limit = TOO_MUCH_ONCE }, 0) end

    local out = { version = 1, ops = {}, traps = {}, rules = {}, terms = {} }
    for id = 1, #program.ops do
        if self.used[id] then
            self.number[id] = #out.ops
            out.ops[#out.ops + 1] = self:op(id)
        end
    end
    for index, trap in ipairs(found.traps) do
        out.traps[index] = { when = self.number[trap.when], line = trap.line, message = self:count_text(trap.message),
            left = trap.left }
    end
    for index, rule in ipairs(found.rules) do
        out.rules[index] = {
            when = self.number[rule.when], line = rule.line, text = self:count_text(rule.text),
            reason = self:reason(rule.reason), have = self.number[rule.have], need = self.number[rule.need],
            compare = rule.compare, asks = rule.asks,
        }
    end
    out.score, out.score_line = self.number[found.score], found.score_line
    for index, term in ipairs(found.terms) do
        out.terms[index] = { value = self.number[term.val], line = term.line, text = self:count_text(term.text) }
    end
    if #out.ops == 0 then out.ops[1] = { "const_b", true } end -- nothing is asked: every row passes
    -- A list without items cannot be told from an object in JSON.
    for _, list in ipairs { "traps", "rules", "terms" } do
        if #out[list] == 0 then out[list] = nil end
    end
    return out
end

return emit
