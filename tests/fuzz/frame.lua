-- Nodes, workloads and what policies that rule are asked, with nasty values: the same in Lua's tables, for the
-- functions themselves, and in columns and records, for their program. JSON brings no NaN and no infinity to a column,
-- so none is put there; policies make their own.

local api = require "api.api"
local kinds = require "fuzz.kinds"
local native = require "fuzz.native"
local strict = require "lib.strict"

local frame = {}

frame.KEYS = { "zone", "disk", "a" }
frame.TEXTS = { "", "a", "b", "gold", "zone", "10", "\u{fc}ber", "Gold-07", "eu-west-1a", "(a)%b.[x]",
    " a, b ", "aaaab", "a,gold,,b", "a=1 b=zone" }

frame.PATTERNS = { "^%a+", "%d+", "(%a)(%d*)", "^(.-)%-(.*)$", "[%w_]+", "%s*$", "[^a-f]", "a?b*", "%f[%w]%w+", "%b()",
    "x-$", "", "^", "$", "(.)", "%.", "[]%-]+", "zone", "(%w*)%-?(%d-)$", "((a+)b)", "^%s*(.-)%s*$", "[\u{fc}a]+", "%W",
    "a*a*a*b" }

-- What texts are taken apart by.
frame.SPLITS = { "[^,]+", "%w+", "(%w)(%w?)", "(%w+)=?(%w*)", "[^,]*", ".", "([^%-]*)%-?", "%S+", "^a" }

local INTEGERS = { 0, 0, 1, 2, 3, 5, -1, -2, -7, 10, 63, 64, 100, 500, 1 << 20, 1 << 31, 1 << 33, (1 << 53) - 1,
    1 << 53,
    (1 << 53) + 1, -(1 << 53) - 1, math.maxinteger, math.maxinteger - 1, math.mininteger, math.mininteger + 1 }
local FLOATS = { 0.0, -0.0, 0.5, 1.0, 2.0, 4.0, -1.0, -2.5, 0.1, 64.0, 1e9, 1e15, 2.0 ^ 53, 2.0 ^ 53 + 2, -2.0 ^ 53,
    2.0 ^ 63, -2.0 ^ 63, 2.0 ^ 62, 1e300, -1e300, 5e-324, 1e-300, 1.7976931348623157e308, 3.9999999999999996 }

local makers = {}

function makers.boolean(random) return random:once_in(2) end
function makers.integer(random) return random:pick(INTEGERS) end
function makers.number(random) return random:pick(FLOATS) end
makers["string"] = function(random) return random:pick(frame.TEXTS) end
makers["string|nil"] = function(random) return not random:once_in(3) and random:pick(frame.TEXTS) or nil end
makers["table<string, string>"] = function(random)
    local map = {}
    for _, key in ipairs(frame.KEYS) do
        if not random:once_in(3) then map[key] = random:pick(frame.TEXTS) end
    end
    return map
end

local described, as = {}, {}
for _, object in ipairs(api.objects) do described[object.name] = object end
for _, kind in pairs { kinds.placement, table.unpack(kinds.RULINGS) } do
    for _, arg in ipairs(kind.args) do as[arg.object.name] = strict.object(arg.object) end
end

-- What depends on the workload, too; where it is all zero, the evaluator takes another way.
local ZERO = { workload_instances = 0, has_image = false, has_data = false }

-- Returns an object of chance, and tells the columns by `set`.
local function made(random, object, set, at, without_pairs)
    local values = {}
    for _, field in ipairs(object.fields) do
        local value = field.name == "name" and "n" .. at or makers[field.type](random)
        if without_pairs and ZERO[field.name] ~= nil then
            values[field.name] = ZERO[field.name]
        else
            values[field.name] = value
            set(at, object.name .. "." .. field.name, value)
        end
    end
    return as[object.name](values)
end

-- Returns {nodes, workloads, questions: of each policy that rules, lists of what it is handed}; columns and records
-- hold the same from now on.
function frame.new(random)
    local self = { nodes = {}, workloads = {}, questions = {} }
    -- of 16 nodes, about so many have what depends on the workload
    local share = ({ 0, 1, 8, 16 })[random:below(4)]
    native.clear_pairs()
    for row = 1, native.ROWS do
        self.nodes[row] = made(random, described.node, native.node, row, random:below(16) > share)
    end
    for which = 1, native.WORKLOADS do
        self.workloads[which] = made(random, described.workload, native.record, which)
    end
    for _, kind in ipairs(kinds.RULINGS) do
        local questions = {}
        for which = 1, native.QUESTIONS do
            local question = {}
            for index, arg in ipairs(kind.args) do
                question[index] = made(random, arg.object, native.record, native.WORKLOADS + which)
            end
            questions[which] = question
        end
        self.questions[kind.name] = questions
    end
    return self
end

local CHANGED_ROWS, CHANGED_FIELDS = 2, 4

-- Changes a few fields of a few nodes, in both. Returns what frame.restore takes back.
function frame.change(self, random)
    local changes, fields = {}, described.node.fields
    for _ = 1, CHANGED_ROWS do
        local row = random:below(native.ROWS)
        for _ = 1, CHANGED_FIELDS do
            local field = random:pick(fields)
            if field.name ~= "name" then
                local node = self.nodes[row]
                changes[#changes + 1] = { row, field.name, rawget(node, field.name) }
                rawset(node, field.name, makers[field.type](random))
                native.node(row, "node." .. field.name, rawget(node, field.name))
            end
        end
    end
    return changes
end

function frame.restore(self, changes)
    for index = #changes, 1, -1 do
        local row, name, value = changes[index][1], changes[index][2], changes[index][3]
        rawset(self.nodes[row], name, value)
        native.node(row, "node." .. name, value)
    end
end

return frame
