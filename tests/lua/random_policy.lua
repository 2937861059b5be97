-- Policies made by chance, for holding the compiler to Lua: rarely sensible, always Lua.

local random_policy = {}

local FIELDS = {
    "node.cpu", "node.free_cpu", "node.memory", "node.free_memory", "node.allocations", "node.rank", "node.healthy",
    "node.on_battery", "node.name", "node.pool", "node.gpu_model", "workload.pool", "workload.cpu", "workload.memory",
    "workload.count", "workload.name", "workload.priority", "node.labels.zone", "node.labels.tier",
    "workload.labels.zone", "node.labels[workload.labels.want]", "node.available_seconds",
}
local CONSTANTS = {
    "0", "1", "2", "-1", "3", "0.5", "2.0", "-0.0", "1e9", "100", "1 << 40", "math.maxinteger", "math.huge",
    "nil", "true", "false", "'a'", "'b'", "''", "'other'", "T", "T.a", "T.t.x", "LIST[2]", "N",
}
-- What raises an error on most rows is rare.
local PLAIN = { "+", "-", "*", "+", "-", "*", "/", "//", "%", "^" }
local BITS = { "&", "|", "~", "<<", ">>" }
local COMPARISONS = { "<", "<=", ">", ">=", "==", "~=", "==", "~=" }

-- at: T[(a ~= 1)] is what Lua 5.4.4 makes wrong code of, for a T from outside.
local HEAD = [[
local T = { a = 1, b = 2.5, x = "text", t = { x = 7 }, [1] = "one", [2] = false }
local LIST = { "a", "b", "other", 3 }
local N = 4
local function helper(x, y) if x then return y, 1 end return 2 end
local function at(t, k) return t[k] end
local function either(x, ...) local a, b = ... if x == a then return b end return x end
]]

local maker = {}
maker.__index = maker

function maker:one(list) return list[self.draw(#list)] end

function maker:variable()
    local names = self.names
    return #names > 0 and names[self.draw(#names)] or self:one(CONSTANTS)
end

function maker:operator()
    return self:one(self.draw(15) == 1 and BITS or PLAIN)
end

function maker:number(depth)
    if depth <= 0 then
        return self:one { "node.cpu", "node.memory", "node.rank", "workload.cpu", "2", "0.5", "N", "7" }
    end
    local kind = self.draw(9)
    if kind <= 4 then
        return ("(%s %s %s)"):format(self:number(depth - 1), self:operator(), self:number(depth - 1))
    elseif kind == 5 then
        return ("math.%s(%s, %s)"):format(self:one { "max", "min", "fmod" }, self:number(depth - 1),
            self:number(depth - 1))
    elseif kind == 6 then
        return ("math.%s(%s)"):format(self:one { "abs", "floor", "ceil", "sqrt", "tointeger", "exp", "log" },
            self:number(depth - 1))
    elseif kind == 7 then
        return ("(%s and %s or %s)"):format(self:truth(depth - 1), self:number(depth - 1), self:number(depth - 1))
    end
    return ("(-(%s))"):format(self:number(depth - 1))
end

function maker:truth(depth)
    if depth <= 0 then
        return self:one { "node.healthy", "node.on_battery", "node.pool == 'a'", "node.labels.zone" }
    end
    local kind = self.draw(6)
    if kind <= 2 then
        return ("(%s %s %s)"):format(self:number(depth - 1), self:one(COMPARISONS), self:number(depth - 1))
    elseif kind == 3 then
        return ("(%s %s %s)"):format(self:any(depth - 1), self:one { "==", "~=" }, self:any(depth - 1))
    elseif kind == 4 then
        return ("not %s"):format(self:any(depth - 1))
    end
    return ("(%s %s %s)"):format(self:truth(depth - 1), self:one { "and", "or" }, self:truth(depth - 1))
end

-- An expression of any type.
function maker:any(depth)
    if depth <= 0 then return self:one { self:one(FIELDS), self:one(CONSTANTS), self:variable() } end
    local kind = self.draw(14)
    if kind <= 4 then return self:number(depth) elseif kind <= 6 then return self:truth(depth) end
    if kind == 7 then
        return ("(%s %s %s)"):format(self:any(depth - 1), self:one { "and", "or" }, self:any(depth - 1))
    elseif kind == 8 then
        return ("(%s %s %s)"):format(self:any(depth - 1), self:operator(), self:any(depth - 1))
    elseif kind == 9 then
        return ("(%s .. %s)"):format(self:any(depth - 1), self:one { "'-'", "node.cpu", self:any(depth - 1) })
    elseif kind == 10 then
        return ("at(T, %s)"):format(self:any(depth - 1))
    elseif kind == 11 then
        return ("helper(%s, %s)"):format(self:any(depth - 1), self:any(depth - 1))
    elseif kind == 12 then
        return ("(either(%s, %s, %s))"):format(self:any(depth - 1), self:any(depth - 1), self:any(depth - 1))
    elseif kind == 13 then
        return ("%s(%s)"):format(self:one { "type", "tostring", "math.type" }, self:any(depth - 1))
    end
    return ("({ %s, x = %s, %s })[%s]"):format(self:any(depth - 1), self:any(depth - 1), self:any(depth - 1),
        self:one { "1", "2", "'x'", "3", self:any(depth - 1) })
end

function maker:line(text, ...)
    self.lines[#self.lines + 1] = text:format(...)
end

function maker:body(depth, loop)
    local outer = #self.names
    for _ = 1, self.draw(3) do self:statement(depth, loop) end
    while #self.names > outer do table.remove(self.names) end
end

function maker:statement(depth, loop)
    local kind = self.draw(12)
    if kind <= 3 then
        local name = "v" .. self.draw(5)
        self:line("local %s = %s", name, self:any(2))
        self.names[#self.names + 1] = name
    elseif kind <= 5 then
        self:line("s = s %s %s", self:one { "+", "-", "*" }, self:number(2))
    elseif kind == 6 and #self.names > 0 then
        self:line("%s, s = %s, %s", self:variable():match "^v%d$" or "s", self:any(1), self:number(1))
    elseif kind <= 9 and depth > 0 then
        self:line("if %s then", self:any(2))
        self:body(depth - 1, loop)
        if self.draw(2) == 1 then
            self:line("elseif %s then", self:truth(1))
            self:body(depth - 1, loop)
        end
        if self.draw(2) == 1 then
            self:line "else"
            self:body(depth - 1, loop)
        end
        self:line "end"
    elseif kind == 10 and depth > 0 then
        self:line("%s", self:one { "for i = 1, 3 do", "for i, x in ipairs(LIST) do",
            "for k, x in pairs { b = 3, zone = node.labels.zone, a = node.cpu } do",
            "for i, x in ipairs { node.cpu, node.labels.zone, 3 } do" })
        self:body(depth - 1, true)
        self:line "end"
    elseif kind == 11 and loop then
        self:line("if %s then break end", self:truth(1))
    elseif kind == 12 and self.draw(3) == 1 then
        self:line("if %s then return %s end", self:truth(1), self:result())
    else
        self:line("s = s + %s", self:number(1))
    end
end

function maker:result()
    if self.name == "score" then return self:one { "s", self:number(2), self:any(2) } end
    return self:one { self:truth(2), "s > 2, 'no ' .. s", "nil", "false, " .. self:any(2),
        ("%s and %s, ('%%s %%.1f'):format(node.name, s)"):format(self:truth(1), self:truth(1)) }
end

-- Returns the source of a policy. draw(n): a whole number from 1 to n, by chance.
function random_policy.make(draw)
    local self = setmetatable({ draw = draw, lines = { HEAD } }, maker)
    for _, name in ipairs { "filter", "score" } do
        self.name, self.names = name, {}
        self:line("function %s(node, workload)", name)
        self:line("local s = %s", self:one { "0", "1.5", "node.rank", "node.cpu" })
        self:body(3, false)
        self:line("return %s", self:result())
        self:line "end"
    end
    return table.concat(self.lines, "\n")
end

return random_policy
