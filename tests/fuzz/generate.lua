-- Policies by chance, as trees (fuzz/expressions.lua), so that they can be written out, and made smaller by putting
-- something smaller of the same kind in the place of a piece (fuzz/shrink.lua). Beside expressions there are
--
--   stat block      statements
--   part file       functions and tables of the file

local frame = require "fuzz.frame"
local maker = require "fuzz.expressions"

local piece, quoted = maker.piece, maker.quoted

local generate = {}

-- ---- statements

function maker:name()
    self.names = self.names + 1
    return "v" .. self.names
end

local VARIABLES = { "int", "float", "num", "num", "bool", "text", "opt", "any" }

local statements = {}

statements[1] = function(self)
    local t, name = self.random:pick(VARIABLES), self:name()
    local hidden = self.random:once_in(6) and #self.scope > 0 and self.random:pick(self.scope)
    if hidden and hidden.mutable then t, name = hidden.t, hidden.name end -- which hides another one
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

-- Several variables at once; all values are there before the first is set.
statements[10] = function(self)
    local random, scope = self.random, self.scope
    local first, second = #scope > 0 and random:pick(scope), #scope > 0 and random:pick(scope)
    if not (first and first.mutable and second.mutable and first.name ~= second.name) then
        return statements[1](self)
    end
    local values = first.t == second.t and random:once_in(2) and { second.name, first.name }
        or { self:of(first.t, 1), self:of(second.t, 1) }
    return piece("stat", first.name, ", ", second.name, " = ", values[1], ", ", values[2], "\n")
end

-- As many variables as it takes, of as many values as there are.
statements[11] = function(self)
    local random, made = self.random, piece("stat", "local ")
    local names = {}
    for index = 1, random:below(3) do names[index] = self:name() end
    table.move({ table.concat(names, ", "), " = " }, 1, 2, #made + 1, made)
    if random:once_in(2) then table.move({ self:of("any", 1), ", " }, 1, 2, #made + 1, made) end
    if self.has.h_pair and random:once_in(2) then
        table.move({ "h_pair(", self:of("any", 1), ", ", self:of("any", 1), ")\n" }, 1, 5, #made + 1, made)
    else
        table.move({ self:of("any", 1), "\n" }, 1, 2, #made + 1, made)
    end
    for _, name in ipairs(names) do self.scope[#self.scope + 1] = { t = "any", name = name, mutable = true } end
    return made
end

-- Loops over what is made of a row: a list that ends where something is nil, a table with holes.
statements[12] = function(self, depth)
    local random, index, name, at = self.random, self:name(), self:name(), #self.scope
    local over
    local way = random:below(4)
    if way == 1 and self.has.t_any then
        over = "pairs(t_any)"
    elseif way <= 2 then
        over = piece("part", "ipairs({ ", self:of("any", 1), ", ", self:of("any", 1), ", 3 })")
    else
        over = piece("part", "pairs({ ", self:of("any", 1), ", zone = ", self:of("any", 1), ", ",
            random:pick(frame.KEYS), " = ", self:of("any", 1), " })")
    end
    self.scope[at + 1] = { t = "any", name = index }
    self.scope[at + 2] = { t = "any", name = name }
    local body = self:block(depth - 1)
    self:forget(at)
    if random:once_in(3) then
        table.insert(body, 1, piece("stat", "if ", index, " == \"zone\" then break end\n"))
    end
    return piece("stat", "for ", index, ", ", name, " in ", over, " do\n", body, "end\n")
end

-- Loops with a condition, that end all the same.
statements[13] = function(self, depth)
    local name, at = self:name(), #self.scope
    local head = piece("part", "local ", name, " = 0\n")
    self.scope[at + 1] = { t = "int", name = name }
    local step = name .. " = " .. name .. " + 1\n"
    local made
    if self.random:once_in(2) then
        made = piece("stat", head, "repeat\n", step, self:block(depth - 1), "until ", name, " >= 3 or ",
            self:condition(1), "\n")
    else
        made = piece("stat", head, "while ", name, " < 3 and ", self:condition(1), " do\n", step, self:block(depth - 1),
            "end\n")
    end
    self:forget(at)
    return made
end

-- Labels, one after the other.
statements[14] = function(self, depth)
    if not self.maps or depth < 2 or self.random:once_in(2) then return statements[4](self, depth) end
    local key, label, at = self:name(), self:name(), #self.scope
    self.scope[at + 1] = { t = "text", name = key }
    self.scope[at + 2] = { t = "text", name = label }
    local body = piece("stat", "if ", self:condition(0), " then\n", self:block(0), "end\n")
    self:forget(at)
    return piece("stat", "for ", key, ", ", label, " in pairs(", self.random:pick(self.maps), ") do\n", body, "end\n")
end

-- What is done with a list in places: put in, taken out, sorted, its last replaced.
local CHANGES = { "table.insert(%s, 1, 7)\n", "table.insert(%s, 2, \"m\")\n", "table.sort(%s)\n",
    "table.sort(%s, function(a, b) return a > b end)\n", "table.sort(%s, function(a, b) return a <= b end)\n",
    "table.remove(%s)\n", "table.remove(%s, 1)\n", "%s[#%s] = nil\n", "%s[#%s] = \"z\"\n" }
local BEGINNINGS = { text = { "{}", "{ \"x\", \"b\" }", "{ \"b\" }" },
    num = { "{ 2, 1.5 }", "{}", "{ 3, 1, -0.0, 2 }" } }

statements[15] = function(self)
    local random, list, taken, last = self.random, self:name(), self:name(), self:name()
    local t = random:once_in(2) and "text" or "num"
    local made = piece("stat", "local ", list, " = ", random:pick(BEGINNINGS[t]), "\n")
    for _ = 1, random:below(2) do
        local put = piece("stat", list, "[#", list, " + 1] = ", self:of(t, 1), "\n")
        made[#made + 1] = random:once_in(3) and put
            or piece("stat", "if ", self:condition(1), " then\n", put, "end\n")
    end
    for _ = 1, random:below(2) do
        local change = random:pick(CHANGES):gsub("%%s", list)
        made[#made + 1] = random:once_in(3) and piece("stat", "if ", self:condition(0), " then\n", change, "end\n")
            or piece("stat", change)
    end
    table.move({ "local ", taken, " = ", random:once_in(2) and "table.remove(" or "next(", list, ")\nlocal ", last,
        " = ", list, "[#", list, "] or #", list, "\n" }, 1, 15, #made + 1, made)
    self.scope[#self.scope + 1] = { t = "any", name = taken, mutable = true }
    self.scope[#self.scope + 1] = { t = "any", name = last, mutable = true }
    return made
end

-- A table under whose keys only a row knows what is there.
statements[16] = function(self)
    local random, map, first, second = self.random, self:name(), self:name(), self:name()
    local made = piece("stat", "local ", map, " = ",
        random:pick { "{}", "{ gold = 3 }", "{ gold = 1, a = \"b\" }" }, "\n")
    local keys = {}
    for index = 1, random:below(3) do
        keys[index] = random:once_in(4) and piece("part", quoted "gold")
            or self:of(random:once_in(5) and "int" or "text", 1)
        local put = piece("stat", map, "[", keys[index], "] = ", self:of("any", 1), "\n")
        made[#made + 1] = random:once_in(3) and put
            or piece("stat", "if ", self:condition(1), " then\n", put, "end\n")
    end
    table.move({ "local ", first, ", ", second, " = ", map, "[", random:pick(keys), "], ", map, "[", self:of("text", 1),
        "]\n" }, 1, 13, #made + 1, made)
    self.scope[#self.scope + 1] = { t = "any", name = first, mutable = true }
    self.scope[#self.scope + 1] = { t = "any", name = second, mutable = true }
    return made
end

-- A field whose name a row chooses, and functions that call themselves.
statements[17] = function(self)
    local random, name = self.random, self:name()
    local number, t = self.fields.int, "int"
    if not number or #number < 2 or random:once_in(3) then
        local made = piece("stat", "local function ", name, "f(n, x) if n <= 0 then return x end return ", name,
            "f(n - 1, ", self.random:pick { "x and n", "x == n", "x or n", "n" }, ") end\nlocal ", name, " = ", name,
            "f(", random:pick { "0", "1", "3" }, ", ", self:of("any", 1), ")\n")
        self.scope[#self.scope + 1] = { t = "any", name = name, mutable = true }
        return made
    end
    local one, other = random:pick(number), random:pick(number)
    local object, key = one:match "^(%a+)%.([%w_]+)$"
    local of, second = other:match "^(%a+)%.([%w_]+)$"
    if not key or not second or of ~= object then return statements[1](self) end
    local made = piece("stat", "local ", name, " = ", object, "[", self:condition(1), " and ", quoted(key), " or ",
        quoted(second), "]\n")
    self.scope[#self.scope + 1] = { t = t, name = name, mutable = true }
    return made
end

-- What a pattern finds in a text, one after the other.
statements[18] = function(self, depth)
    local random, first, second, at = self.random, self:name(), self:name(), #self.scope
    if depth < 2 or random:once_in(2) then return statements[4](self, depth) end
    local head = piece("part", "for ", first, ", ", second, " in string.gmatch(", self:of("text", 1), ", ",
        quoted(random:pick(random:once_in(2) and frame.SPLITS or frame.PATTERNS)), ") do\n")
    self.scope[at + 1] = { t = "text", name = first }
    self.scope[at + 2] = { t = "opt", name = second }
    local condition = random:once_in(2) and piece("bool", first, " == ", self:of("opt", 1)) or self:condition(0)
    local body = piece("stat", "if ", condition, " then\n", self:block(0), random:once_in(3) and "break\n" or "",
        "end\n")
    self:forget(at)
    return piece("stat", head, body, "end\n")
end

-- As often as a row says.
statements[19] = function(self, depth)
    local random, name, at = self.random, self:name(), #self.scope
    if depth < 2 or random:once_in(2) then return statements[4](self, depth) end
    local bound = random:once_in(3) and piece("num", "math.min(", self:of("num", 1), ", 40)")
        or piece("int", "#", self:of("text", 1))
    local head = piece("part", "for ", name, " = ", random:pick { "1, ", "0, ", "-1, " }, bound,
        random:pick { "", "", ", 2" }, " do\n")
    self.scope[at + 1] = { t = "int", name = name }
    local byte = piece("part", "string.sub(", self:of("text", 0), random:pick { ", ", ", -" }, name, ", ",
        random:pick { "", "-" }, name, ") == ", random:pick { "\"a\"", "\"\"", "\"go\"" })
    local condition = random:once_in(2) and piece("bool", "(", byte, ")") or self:condition(0)
    local body = piece("stat", "if ", condition, " then\n", self:block(0), "end\n")
    self:forget(at)
    return piece("stat", head, body, "end\n")
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

endings.admit = endings.filter

local VERDICTS = { "\"accept\"", "\"reject\"", "\"ask\"" }

function endings.approve(self)
    local random = self.random
    if random:once_in(40) then return piece("stat", "return ", self:of("any", 2), "\n") end
    local verdict = piece("part", random:pick(VERDICTS))
    if random:once_in(3) then
        verdict = piece("part", self:condition(3), " and ", random:pick(VERDICTS), " or ", random:pick(VERDICTS))
    end
    if random:once_in(3) then return piece("stat", "return ", verdict, "\n") end
    return piece("stat", "return ", verdict, ", ", self:of("why", 2), "\n")
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

-- For anything; see maker:whatever.
local ANYTHING = {
    { name = "t_any", text = [[
local t_any = { a = 1, b = 2.5, gold = "text", t = { x = 7, gold = -0.0 }, [1] = "one", [2] = false, [0.5] = 3 }
local function at(t, k) return t[k] end
]] },
    { name = "h_pair", text = "local function h_pair(x, y) if x then return y, 1 end return 2 end\n" },
    { name = "h_rest", text = [[
local function h_rest(x, ...) local a, b = ... if x == a then return b end return select("#", ...) end
]] },
    { name = "h_rest", text = "local function h_rest(x, ...) local list = { ... } return list[2] or #list, x end\n" },
}

-- A function of the file's own: it knows what it is given.
local GIVEN = { int = { "1", "-3" }, float = { "2.5", "-0.0" }, bool = { "c" }, text = { "\"a\"" }, opt = { "nil" } }

function maker:helper(t)
    self.decision, self.fields, self.maps, self.keys = t, GIVEN, nil, nil
    self.scope = { { t = "num", name = "x" }, { t = "bool", name = "c" } }
    local early = piece("stat", "if c then\n", self:ending(), "end\n")
    local made = piece("part", "local function h_", t, "(x, c)\n", early, self:ending(), "end\n")
    self:forget(0)
    self.fields, self.maps, self.keys = self.kind.fields, self.kind.fields.map, self.kind.uniform.text
    return made
end

-- Returns the tree of a policy of a kind (fuzz/kinds.lua).
function generate.policy(random, kind)
    local self = setmetatable({ random = random, kind = kind, scope = {}, names = 0, helpers = {}, tables = {},
        has = {}, fields = kind.fields, maps = kind.fields.map, keys = kind.uniform.text }, maker)
    local root = piece "file"
    for _, name in ipairs { "int", "float", "text", "list" } do
        if random:once_in(3) then
            self.tables[name] = "t_" .. name
            root[#root + 1] = piece("part", TABLES[name])
        end
    end
    for _, one in ipairs(ANYTHING) do
        if not self.has[one.name] and random:once_in(3) then
            self.has[one.name] = true
            root[#root + 1] = piece("part", one.text)
        end
    end
    for _, t in ipairs { "int", "float" } do
        if random:once_in(4) then
            root[#root + 1] = self:helper(t)
            self.helpers[t] = "h_" .. t
        end
    end
    local names = {}
    for index, arg in ipairs(kind.args) do names[index] = arg.name end
    local left_out = #kind.functions > 1 and random:below(2 * #kind.functions)
    for index, name in ipairs(kind.functions) do
        if index ~= left_out then
            root[#root + 1] = piece("part", "function ", name, "(", table.concat(names, ", "), ")\n",
                self:body(name, random:below(3) - 1, 2), "end\n")
        end
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
