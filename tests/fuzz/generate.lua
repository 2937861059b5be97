-- Policies by chance, as trees: a piece is {t = what it stands for, texts and pieces in turn}, so that it can be
-- written
-- out, and made smaller by putting something smaller of the same kind in its place (fuzz/shrink.lua).
--
--   int float num   numbers: an integer, a float, either        bool   true or false        text   never nil
--   opt             text or nil                                 any    anything, nil too    why    what a reason may be
--   stat block      statements
--
-- Nearly always of the kind that belongs there; now and then something else, which raises an error.

local frame = require "fuzz.frame"

local generate = {}

local maker = {}
maker.__index = maker

local function piece(t, ...) return { t = t, ... } end

local INTEGERS = { "0", "1", "2", "3", "-1", "-2", "-7", "7", "10", "31", "32", "63", "64", "65", "-63", "-64",
    "0xff", "500",
    "(1 << 31)", "(1 << 53)", "((1 << 53) + 1)", "(-(1 << 53) - 1)", "math.maxinteger", "math.mininteger",
        "0x7ffffffffffffffe" }
local FLOATS = { "0.0", "-0.0", "0.5", "1.0", "2.0", "-1.5", "0.1", "3.0", "-3.0", "10.0", "64.0", "1e300", "-1e300",
    "5e-324",
    "9007199254740992.0", "9007199254740994.0", "0x1p63", "-0x1p63", "1e15", "1e-10", "math.huge", "-math.huge",
        "(0/0)",
    "-(0/0)", "math.pi", "1e16", "4611686018427387904.0" }
local FIELDS = {
    int = { "node.memory", "node.free_memory", "node.disk", "node.rank", "node.gpus", "node.free_gpus",
        "node.allocations",
        "node.available_seconds", "node.workload_instances", "node.bandwidth", "workload.memory", "workload.count",
        "workload.priority", "workload.gpus" },
    float = { "node.cpu", "node.free_cpu", "node.free_gpu_share", "workload.cpu", "workload.gpu_share" },
    bool = { "node.healthy", "node.on_battery", "node.has_image", "node.has_data" },
    text = { "node.pool", "node.architecture", "node.os", "node.name", "workload.project", "workload.type",
        "workload.kind" },
    opt = { "node.gpu_model", "workload.pool", "workload.gpu_model" },
}
local MAPS = { "node.labels", "node.attributes", "workload.labels" }
local MATH = { "math.sqrt", "math.exp", "math.sin", "math.cos", "math.tan", "math.log", "math.deg", "math.rad" }
local ARITHMETIC = { " + ", " - ", " * " }
local DIVISION = { " // ", " % " }
local BITWISE = { " & ", " | ", " ~ ", " << ", " >> " }
local COMPARE = { " < ", " <= ", " > ", " >= ", " == ", " ~= " }

local function quoted(text) return ("%q"):format(text) end

function maker:leaf(t)
    local random = self.random
    for _ = 1, 3 do -- variables before all else
        local variable = #self.scope > 0 and random:pick(self.scope)
        if variable and (variable.t == t or (t == "num" and (variable.t == "int" or variable.t == "float"))) then
            return piece(t, variable.name)
        end
    end
    if t == "num" then return self:leaf(random:once_in(2) and "int" or "float") end
    if t == "any" then
        if random:once_in(4) then return piece(t, "nil") end
        return self:leaf(random:pick { "int", "float", "bool", "opt" })
    end
    if t == "why" then return self:leaf(random:once_in(3) and "opt" or "text") end
    if t == "opt" and self.maps and random:once_in(2) then
        if random:once_in(3) then
            local key = random:pick { "workload.name", "workload.project", "workload.kind" }
            return piece(t, random:pick(self.maps), "[", key, "]")
        end
        return piece(t, random:pick(self.maps), ".", random:pick(frame.KEYS))
    end
    if t == "opt" and random:once_in(8) then return piece(t, "nil") end
    if t == "text" and random:once_in(2) then return piece(t, quoted(random:pick(frame.TEXTS))) end
    if t == "bool" and random:once_in(8) then return piece(t, random:once_in(2) and "true" or "false") end
    if t == "int" and random:once_in(2) then return piece(t, random:pick(INTEGERS)) end
    if t == "float" and random:once_in(2) then return piece(t, random:pick(FLOATS)) end
    return piece(t, random:pick(self.fields[t]))
end

-- A condition: anything will do.
function maker:condition(depth)
    return self:of(self.random:once_in(6) and "any" or "bool", depth)
end

local rules = {}

rules.int = {
    function(self, d)
        return piece("int", "(", self:of("int", d), self.random:pick(ARITHMETIC), self:of("int", d), ")")
    end,
    function(self, d)
        return piece("int", "(", self:of("int", d), self.random:pick(ARITHMETIC), self:of("int", d), ")")
    end,
    function(self, d)
        return piece("int", "(", self:of("int", d), self.random:pick(BITWISE), self:of("int", d), ")")
    end,
    function(self, d)
        return piece("int", "(", self:of("num", d), self.random:pick(BITWISE), self:of("int", d), ")")
    end,
    function(self, d)
        local random = self.random
        local by = random:once_in(3) and self:of("int", d) or piece("int", random:pick { "3", "-3", "7", "-1",
            "1000", "2" })
        return piece("int", "(", self:of("int", d), random:pick(DIVISION), by, ")")
    end,
    function(self, d) return piece("int", "math.fmod(", self:of("int", d), ", ", self:of("int", 0), ")") end,
    function(self, d) return piece("int", self.random:pick { "-", "~" }, "(", self:of("int", d), ")") end,
    function(self, d) return piece("int", "math.abs(", self:of("int", d), ")") end,
    function(self, d)
        return piece("int", "math.", self.random:pick { "max", "min" }, "(", self:of("int", d), ", ", self:of("int",
            d), ")")
    end,
    function(self, d)
        return piece("int", "(", self:condition(d), " and ", self:of("int", d), " or ", self:of("int", d), ")")
    end,
    function(self, d) return piece("int", "(math.tointeger(", self:of("num", d), ") or ", self:of("int", d), ")") end,
    function(self, d) return self:call("int", d) end,
    function(self, d) return self:entry("int", d) end,
}

rules.float = {
    function(self, d)
        return piece("float", "(", self:of("float", d), self.random:pick(ARITHMETIC), self:of("num", d), ")")
    end,
    function(self, d)
        return piece("float", "(", self:of("num", d), self.random:pick(ARITHMETIC), self:of("float", d), ")")
    end,
    function(self, d) return piece("float", "(", self:of("num", d), " / ", self:of("num", d), ")") end,
    function(self, d)
        return piece("float", "(", self:of("float", d), self.random:pick(DIVISION), self:of("num", d), ")")
    end,
    function(self, d)
        local exponent = self.random:once_in(2) and piece("num", self.random:pick { "2", "0.5", "3",
            "-1" }) or self:of("num", 0)
        return piece("float", "(", self:of("num", d), " ^ ", exponent, ")")
    end,
    function(self, d) return piece("float", "-(", self:of("float", d), ")") end,
    function(self, d) return piece("float", self.random:pick(MATH), "(", self:of("num", d), ")") end,
    function(self, d)
        return piece("float", "math.log(", self:of("num", d), ", ", piece("num", self.random:pick { "2", "10", "3.5",
            "2.0" }), ")")
    end,
    function(self, d) return piece("float", "math.fmod(", self:of("float", d), ", ", self:of("num", d), ")") end,
    function(self, d) return piece("float", "math.abs(", self:of("float", d), ")") end,
    function(self, d) return piece("float", "(", self:of("int", d), " + 0.0)") end,
    function(self, d)
        return piece("float", "math.", self.random:pick { "max", "min" }, "(", self:of("float", d), ", ",
            self:of("float", d), ")")
    end,
    function(self, d)
        return piece("float", "(", self:condition(d), " and ", self:of("float", d), " or ", self:of("float", d), ")")
    end,
    function(self, d) return self:call("float", d) end,
    function(self, d) return self:entry("float", d) end,
}

rules.num = {
    function(self, d) return self:of("int", d + 1) end,
    function(self, d) return self:of("float", d + 1) end,
    function(self, d)
        return piece("num", "math.", self.random:pick { "floor", "ceil" }, "(", self:of("num", d), ")")
    end,
    function(self, d)
        return piece("num", "(", self:condition(d), " and ", self:of("int", d), " or ", self:of("float", d), ")")
    end,
    function(self, d)
        local random = self.random
        return piece("num", "math.", random:pick { "max", "min" }, "(", self:of("num", d), ", ", self:of("num", d), ")")
    end,
    function(self, d) return piece("num", "math.abs(", self:of("num", d), ")") end,
    function(self, d)
        return piece("num", "(", self:of("num", d), self.random:pick(ARITHMETIC), self:of("num", d), ")")
    end,
    function(self, d)
        return piece("num", "(", self:of("num", d), self.random:pick(DIVISION), self:of("num", d), ")")
    end,
    function(self, d) return piece("num", "-(", self:of("num", d), ")") end,
    function(self, d) return piece("num", "math.fmod(", self:of("num", d), ", ", self:of("num", 0), ")") end,
    function(self, d) return piece("num", "(math.modf(", self:of("num", d), "))") end,
    function(self, d) return piece("num", "(select(2, math.modf(", self:of("num", d), ")))") end,
}

rules.bool = {
    function(self, d)
        return piece("bool", "(", self:of("num", d), self.random:pick(COMPARE), self:of("num", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("int", d), self.random:pick(COMPARE), self:of("float", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("float", d), self.random:pick(COMPARE), self:of("int", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("int", d), self.random:pick(COMPARE), self:of("int", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("float", d), self.random:pick(COMPARE), self:of("float", d), ")")
    end,
    function(self, d)
        local op = self.random:pick { " == ", " ~= " }
        return piece("bool", "(", self:of(self.random:once_in(2) and "opt" or "text", d), op, self:of("opt", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("any", d), self.random:pick { " == ", " ~= " }, self:of("any", d), ")")
    end,
    function(self, d) return piece("bool", "not ", self:condition(d)) end,
    function(self, d)
        return piece("bool", "(", self:of("bool", d), self.random:pick { " and ", " or " }, self:of("bool", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("bool", d), self.random:pick { " and ", " or " }, self:of("bool", d), ")")
    end,
    function(self, d)
        return piece("bool", "(", self:of("bool", d), self.random:pick { " == ", " ~= " }, self:of("bool", d), ")")
    end,
    function(self, d) return piece("bool", "math.ult(", self:of("int", d), ", ", self:of("int", d), ")") end,
    function(self, d)
        return piece("bool", "(math.type(", self:of("num", d), ") == ", quoted(self.random:pick { "integer",
            "float" }), ")")
    end,
    function(self, d)
        return piece("bool", "(type(", self:of("any", d), ") == ", quoted(self.random:pick { "number", "nil",
            "string" }), ")")
    end,
}

rules.text = {
    function(self, d) return piece("text", "(", self:of("opt", d), " or ", self:of("text", d), ")") end,
    function(self, d)
        return piece("text", "(", self:condition(d), " and ", self:of("text", d), " or ", self:of("text", d), ")")
    end,
    function(self, d) return self:entry("text", d) end,
}

-- A text that is compared, looked into or put together.
local function text_of(self, d) return self:of("text", d) end

local TEXTS = {
    function(self, d)
        local random = self.random
        local first = random:pick { "1", "2", "0", "-1", "-3", "1.0", "3" }
        local last = random:pick { "2", "-1", "-2", "0", "99" }
        if random:once_in(4) then first = self:of("int", 0) end
        if random:once_in(3) then return piece("text", "string.sub(", text_of(self, d), ", ", first, ")") end
        return piece("text", "string.sub(", text_of(self, d), ", ", first, ", ", last, ")")
    end,
    function(self, d)
        return piece("text", "string.", self.random:pick { "lower", "upper", "reverse" }, "(", text_of(self, d), ")")
    end,
    function(self, d) return piece("text", "(", text_of(self, d), " .. ", text_of(self, d), ")") end,
    function(self, d) return piece("text", "(", text_of(self, d), " .. ", self:of("int", d), ")") end,
    function(self, d)
        return piece("text", "(string.match(", text_of(self, d), ", ", quoted(self.random:pick(frame.PATTERNS)),
            ") or ", self:leaf "text", ")")
    end,
    function(self, d)
        return piece("text", "(string.gsub(", text_of(self, d), ", ", quoted(self.random:pick(frame.PATTERNS)), ", ",
            quoted(self.random:pick { "", "-", "<%0>", "%1%%" }), "))")
    end,
    function(self, d)
        return piece("text", "tostring(", self:of("any", d), ")")
    end,
}
table.move(TEXTS, 1, #TEXTS, #rules.text + 1, rules.text)

local TRUTHS = {
    function(self, d) return piece("bool", "(", text_of(self, d), self.random:pick(COMPARE), text_of(self, d), ")") end,
    function(self, d)
        return piece("bool", "(string.find(", text_of(self, d), ", ", quoted(self.random:pick(frame.PATTERNS)),
            ") ~= nil)")
    end,
    function(self, d)
        return piece("bool", "not string.find(", text_of(self, d), ", ", text_of(self, d), ", 1, true)")
    end,
    function(self, d)
        return piece("bool", "(", self:of("opt", d), self.random:pick(COMPARE), text_of(self, d), ")")
    end,
}
table.move(TRUTHS, 1, #TRUTHS, #rules.bool + 1, rules.bool)

local LENGTHS = {
    function(self, d) return piece("int", "#", text_of(self, d)) end,
    function(self, d)
        return piece("int", "(string.find(", text_of(self, d), ", ", quoted(self.random:pick(frame.PATTERNS)),
            ") or -1)")
    end,
    function(self, d)
        return piece("int", "(string.find(", text_of(self, d), ", ", text_of(self, 0), ", 1, true) or -1)")
    end,
    function(self, d)
        local place = self.random:pick { "1", "-1", "2", "0", "" }
        return piece("int", "(string.byte(", text_of(self, d), place ~= "" and ", " or "", place, ") or -1)")
    end,
    function(self, d)
        return piece("int", "(math.tointeger(tonumber(", text_of(self, d), ")) or ", self:of("int", 0), ")")
    end,
}
table.move(LENGTHS, 1, #LENGTHS, #rules.int + 1, rules.int)

rules.opt = {
    function(self, d)
        return piece("opt", "string.match(", text_of(self, d), ", ", quoted(self.random:pick(frame.PATTERNS)), ")")
    end,
    function(self)
        local random = self.random
        local key = random:pick { "workload.name", "workload.project", "workload.kind" }
        return piece("opt", random:pick(MAPS), "[", random:pick { "\"a\"", "\"\"", "\"zo\"" }, " .. ", key, ":sub(",
            random:pick { "1, 2", "2", "-2" }, ")]")
    end,
    function(self, d)
        return piece("opt", "(", self:condition(d), " and ", self:of("opt", d), " or ", self:of("opt", d), ")")
    end,
    function(self, d) return piece("opt", "(", self:of("opt", d), " and ", self:of("opt", d), ")") end,
    function(self) return self:leaf "opt" end,
}

rules.any = {
    function(self, d)
        return piece("any", "(", self:of("any", d), self.random:pick { " and ", " or " }, self:of("any", d), ")")
    end,
    function(self, d) return self:of(self.random:pick { "num", "bool", "opt", "int", "float" }, d + 1) end,
    function(self, d)
        return piece("any", "(", self:condition(d), " and ", self:of("any", d), " or ", self:of("any", d), ")")
    end,
    function(self, d) return piece("any", "math.tointeger(", self:of("num", d), ")") end,
}

rules.why = {
    function(self, d) return self:of(self.random:once_in(3) and "opt" or "text", d) end,
    function(self, d)
        return piece("why", "(", quoted(self.random:pick(frame.TEXTS)), " .. ", self:of("num", d), " .. ",
            self:of("text", d), ")")
    end,
    function(self, d) return piece("why", "tostring(", self:of("any", d), ")") end,
    function(self, d)
        local format = self.random:pick { "%d", "%5d", "%x", "%-8d|", "%05d" }
        return piece("why", "string.format(", quoted(format), ", ", self:of("int", d), ")")
    end,
    function(self, d)
        local format = self.random:pick { "%.2f", "%g", "%.14g", "%e", "%10.3f", "%+.1f" }
        return piece("why", "string.format(", quoted(format), ", ", self:of("num", d), ")")
    end,
    function(self, d)
        return piece("why", "string.format(\"%s of %s (%d%%)\", ", self:of("any", d), ", ", self:of("text", d), ", ",
            self:of("int", d), ")")
    end,
    function(self, d) return piece("why", "(", self:of("num", d), " .. ", self:of("num", d), ")") end,
}

-- Returns an expression of a kind.
function maker:of(t, depth)
    local random = self.random
    if random:once_in(70) and (t == "int" or t == "float" or t == "num") then
        return piece(t, random:pick { "nil", "true", "math.tointeger(0.5)", "({})" })
    end
    if depth <= 0 or random:once_in(4) then return self:leaf(t) end
    return random:pick(rules[t])(self, depth - 1)
end

-- A call of one of the file's own functions.
function maker:call(t, depth)
    local helper = self.helpers[t]
    if not helper then return self:leaf(t) end
    return piece(t, helper, "(", self:of("num", depth), ", ", self:of("bool", depth), ")")
end

-- A look into one of the file's tables.
function maker:entry(t, depth)
    local random = self.random
    if not self.tables[t] then return self:leaf(t) end
    if random:once_in(2) then
        return piece(t, "(", self.tables[t], "[", self:of("text", depth), "] or ", self:of(t, depth), ")")
    end
    return piece(t, "(", self.tables[t], ".gold or ", self:leaf(t), ")")
end

-- ---- statements

function maker:name()
    self.names = self.names + 1
    return "v" .. self.names
end

local VARIABLES = { "int", "float", "num", "num", "bool", "text", "opt", "any" }

local statements = {}

statements[1] = function(self)
    local t, name = self.random:pick(VARIABLES), self:name()
    local made = piece("stat", "local ", name, " = ", self:of(t, 2), "\n")
    self.scope[#self.scope + 1] = { t = t, name = name, mutable = true }
    return made
end

statements[2] = function(self)
    local variable = #self.scope > 0 and self.random:pick(self.scope)
    if not variable or not variable.mutable then return statements[1](self) end
    return piece("stat", variable.name, " = ", self:of(variable.t, 2), "\n")
end

statements[3] = statements[2]

statements[4] = function(self, depth)
    local made = piece("stat", "if ", self:condition(2), " then\n", self:block(depth - 1))
    if self.random:once_in(4) then
        table.move({ "elseif ", self:condition(2), " then\n", self:block(depth - 1) }, 1, 4, #made + 1, made)
    end
    if self.random:once_in(2) then table.move({ "else\n", self:block(depth - 1) }, 1, 2, #made + 1, made) end
    made[#made + 1] = "end\n"
    return made
end

statements[5] = function(self, depth)
    local name, at = self:name(), #self.scope
    self.scope[at + 1] = { t = "int", name = name }
    local header = self.random:pick { "1, 3", "3, 1, -1", "-1, 1", "0, 0", "2, 1" }
    local made = piece("stat", "for ", name, " = ", header, " do\n", self:block(depth - 1), "end\n")
    self:forget(at)
    return made
end

statements[6] = function(self, depth)
    if not self.tables.list then return statements[4](self, depth) end
    local index, name, at = self:name(), self:name(), #self.scope
    self.scope[at + 1] = { t = "int", name = index }
    self.scope[at + 2] = { t = "num", name = name }
    local body = self:block(depth - 1)
    self:forget(at)
    if self.random:once_in(3) then
        table.insert(body, 1, piece("stat", "if ", self:condition(1), " then break end\n"))
    end
    return piece("stat", "for ", index, ", ", name, " in ipairs(", self.tables.list, ") do\n", body, "end\n")
end

statements[7] = function(self, depth)
    return piece("stat", "if ", self:condition(2), " then\n", self:ending(depth), "end\n")
end

-- Several values of one call.
statements[8] = function(self)
    local random, first, second = self.random, self:name(), self:name()
    local fn, kinds, more = "match", { "opt", "opt" }, ""
    if random:once_in(2) then fn, kinds = "find", { "any", "any" } end
    if random:once_in(3) then fn, kinds, more = "gsub", { "text", "int" }, ", " .. quoted "+" end
    local made = piece("stat", "local ", first, ", ", second, " = string.", fn, "(", self:of("text", 1), ", ",
        quoted(random:pick(frame.PATTERNS)), more, ")\n")
    self.scope[#self.scope + 1] = { t = kinds[1], name = first, mutable = true }
    self.scope[#self.scope + 1] = { t = kinds[2], name = second, mutable = true }
    return made
end

-- A list that is longer on one row than on another, and what it comes to.
statements[9] = function(self, depth)
    local random, list, length, whole = self.random, self:name(), self:name(), self:name()
    local made = piece("stat", "local ", list, " = ", random:pick { "{}", "{ \"x\" }", "{ 1, \"b\" }" }, "\n")
    for _ = 1, random:below(3) do
        local item = self:of(random:once_in(3) and "num" or random:once_in(3) and "opt" or "text", 1)
        local put = random:once_in(2) and piece("stat", list, "[#", list, " + 1] = ", item, "\n")
            or piece("stat", "table.insert(", list, ", ", item, ")\n")
        made[#made + 1] = random:once_in(4) and put
            or piece("stat", "if ", self:condition(1), " then\n", put, depth > 1 and self:block(0) or "", "end\n")
    end
    table.move({ "local ", length, " = #", list, "\nlocal ", whole, " = table.concat(", list, ", \", \")\n" }, 1, 9,
        #made + 1, made)
    self.scope[#self.scope + 1] = { t = "int", name = length, mutable = true }
    self.scope[#self.scope + 1] = { t = "text", name = whole, mutable = true }
    return made
end

function maker:forget(at)
    for index = #self.scope, at + 1, -1 do self.scope[index] = nil end
end

function maker:block(depth)
    local random, at = self.random, #self.scope
    local made = piece "block"
    for index = 1, random:below(2) do
        made[index] = statements[random:below(depth <= 0 and 3 or #statements)](self, depth)
    end
    if depth > 0 and random:once_in(4) then made[#made + 1] = self:ending() end
    self:forget(at)
    return made
end

-- ---- functions

local endings = {}

function endings.filter(self)
    local random, d = self.random, 3
    if random:once_in(40) then return piece("stat", "return ", self:of("any", 2), "\n") end
    if random:once_in(3) then return piece("stat", "return ", self:of("bool", d), "\n") end
    if random:once_in(12) then return piece("stat", "return\n") end
    return piece("stat", "return ", random:once_in(3) and piece("bool", "false") or self:of("bool", d), ", ",
        self:of("why", 2), "\n")
end

function endings.score(self)
    if self.random:once_in(50) then return piece("stat", "return ", self:of("any", 2), "\n") end
    return piece("stat", "return ", self:of("num", 4), "\n")
end

function endings.int(self) return piece("stat", "return ", self:of("int", 2), "\n") end
function endings.float(self) return piece("stat", "return ", self:of("float", 2), "\n") end

function maker:ending() return endings[self.decision](self) end

function maker:body(decision, count, depth)
    local made = piece "block"
    self.decision = decision
    for index = 1, count do
        made[index] = (index == 1 and statements[1] or self.random:pick(statements))(self, depth)
    end
    made[#made + 1] = self:ending()
    self:forget(0)
    return made
end

local TABLES = {
    int = "local t_int = { gold = 7, a = -1, [\"\"] = math.maxinteger }\n",
    float = "local t_float = { gold = 0.5, b = -0.0, zone = 1e300 }\n",
    text = "local t_text = { gold = \"a\", a = \"gold\" }\n",
    list = "local t_list = { 3, -0.5, 1 << 53 }\n",
}

-- A function of the file's own: it knows what it is given.
local GIVEN = { int = { "1", "-3" }, float = { "2.5", "-0.0" }, bool = { "c" }, text = { "\"a\"" }, opt = { "nil" } }

function maker:helper(t)
    self.decision, self.fields, self.maps = t, GIVEN, nil
    self.scope = { { t = "num", name = "x" }, { t = "bool", name = "c" } }
    local early = piece("stat", "if c then\n", self:ending(), "end\n")
    local made = piece("part", "local function h_", t, "(x, c)\n", early, self:ending(), "end\n")
    self:forget(0)
    self.fields, self.maps = FIELDS, MAPS
    return made
end

-- Returns the tree of a policy.
function generate.policy(random)
    local self = setmetatable({ random = random, scope = {}, names = 0, helpers = {}, tables = {},
        fields = FIELDS, maps = MAPS }, maker)
    local root = piece "file"
    for _, name in ipairs { "int", "float", "text", "list" } do
        if random:once_in(3) then
            self.tables[name] = "t_" .. name
            root[#root + 1] = piece("part", TABLES[name])
        end
    end
    for _, t in ipairs { "int", "float" } do
        if random:once_in(4) then
            root[#root + 1] = self:helper(t)
            self.helpers[t] = "h_" .. t
        end
    end
    local only = random:below(4)
    if only ~= 1 then
        root[#root + 1] = piece("part", "function filter(node, workload)\n", self:body("filter", random:below(3) - 1,
            2), "end\n")
    end
    if only ~= 2 then
        root[#root + 1] = piece("part", "function score(node, workload)\n", self:body("score", random:below(3) - 1,
            2), "end\n")
    end
    return root
end

-- Writes a tree out.
function generate.text(tree)
    local out = {}
    local function write(node)
        for index = 1, #node do
            local part = node[index]
            if type(part) == "string" then out[#out + 1] = part else write(part) end
        end
    end
    write(tree)
    return table.concat(out)
end

return generate
