-- Expressions by chance, as trees: a piece is {t = what it stands for, texts and pieces in turn}.
--
--   int float num   numbers: an integer, a float, either        bool   true or false        text   never nil
--   opt             text or nil                                 any    anything, nil too    why    what a reason may be
--
-- Nearly always of the kind that belongs there; now and then something else, which raises an error.

local frame = require "fuzz.frame"

local maker = {}
maker.__index = maker

function maker.piece(t, ...) return { t = t, ... } end
local piece = maker.piece

local INTEGERS = { "0", "1", "2", "3", "-1", "-2", "-7", "7", "10", "31", "32", "63", "64", "65", "-63", "-64",
    "0xff", "500",
    "(1 << 31)", "(1 << 53)", "((1 << 53) + 1)", "(-(1 << 53) - 1)", "math.maxinteger", "math.mininteger",
        "0x7ffffffffffffffe" }
local FLOATS = { "0.0", "-0.0", "0.5", "1.0", "2.0", "-1.5", "0.1", "3.0", "-3.0", "10.0", "64.0", "1e300", "-1e300",
    "5e-324",
    "9007199254740992.0", "9007199254740994.0", "0x1p63", "-0x1p63", "1e15", "1e-10", "math.huge", "-math.huge",
        "(0/0)",
    "-(0/0)", "math.pi", "1e16", "4611686018427387904.0" }
local CONSTANTS = { int = INTEGERS, float = FLOATS, bool = { "true", "false" }, text = { "\"a\"" } }
local MATH = { "math.sqrt", "math.exp", "math.sin", "math.cos", "math.tan", "math.log", "math.deg", "math.rad" }
local ARITHMETIC = { " + ", " - ", " * " }
local DIVISION = { " // ", " % " }
local BITWISE = { " & ", " | ", " ~ ", " << ", " >> " }
local COMPARE = { " < ", " <= ", " > ", " >= ", " == ", " ~= " }

function maker.quoted(text) return ("%q"):format(text) end
local quoted = maker.quoted

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
        if random:once_in(3) then return piece(t, random:pick(self.maps), "[", random:pick(self.keys), "]") end
        return piece(t, random:pick(self.maps), ".", random:pick(frame.KEYS))
    end
    if t == "opt" and random:once_in(8) then return piece(t, "nil") end
    if t == "text" and random:once_in(2) then return piece(t, quoted(random:pick(frame.TEXTS))) end
    if t == "bool" and random:once_in(8) then return piece(t, random:once_in(2) and "true" or "false") end
    if t == "int" and random:once_in(2) then return piece(t, random:pick(INTEGERS)) end
    if t == "float" and random:once_in(2) then return piece(t, random:pick(FLOATS)) end
    local fields = self.fields[t]
    if #fields > 0 then return piece(t, random:pick(fields)) end
    return t == "opt" and self:leaf "text" or piece(t, random:pick(CONSTANTS[t]))
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
        if not self.maps then return self:leaf "opt" end
        return piece("opt", random:pick(self.maps), "[", random:pick { "\"a\"", "\"\"", "\"zo\"" }, " .. ",
            random:pick(self.keys), ":sub(", random:pick { "1, 2", "2", "-2" }, ")]")
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
    function(self, d)
        local fn = self.random:pick { "type", "tostring", "math.type", "tonumber" }
        return piece("any", fn, "(", self:of("any", d), ")")
    end,
    -- A table that has rows' values in it, with holes where they are nil.
    function(self, d)
        local key = self.random:pick { "1", "2", "3", "\"x\"", false }
        return piece("any", "({ ", self:of("any", d), ", x = ", self:of("any", d), ", ", self:of("any", d), " })[",
            key or self:of("any", d), "]")
    end,
    function(self, d) return self:whatever(d) end,
    function(self, d) return self:whatever(d) end,
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

-- One of what the file has for anything: a table with any keys, functions that return one value or two, or take any
-- number.
-- at(): T[(a ~= 1)] is what Lua 5.4.4 makes wrong code of, for a T from outside.
function maker:whatever(depth)
    local random = self.random
    local way = random:below(6)
    if way == 1 and self.has.t_any then return piece("any", "at(t_any, ", self:of("any", depth), ")") end
    if way == 2 and self.has.t_any then
        return piece("any", "t_any", random:pick { ".t.x", ".gold", "[1]", "[2]", ".t.gold" })
    end
    if way == 3 and self.has.h_pair then
        return piece("any", "h_pair(", self:of("any", depth), ", ", self:of("any", depth), ")")
    elseif way == 4 and self.has.h_pair then
        return piece("any", "(select(", random:pick { "1", "2", "-1" }, ", h_pair(", self:of("any", depth), ", ",
            self:of("any", depth), ")))")
    elseif way == 5 and self.has.h_rest then
        return piece("any", "(h_rest(", self:of("any", depth), ", ", self:of("any", depth), ", ",
            self:of("any", depth), "))")
    elseif way == 6 and random:once_in(4) then
        local op = random:pick { " + ", " - ", " * ", " // ", " % ", " ^ ", " & ", " << ", " .. " }
        return piece("any", "(", self:of("any", depth), op, self:of("any", depth), ")")
    end
    return self:leaf "any"
end

return maker
