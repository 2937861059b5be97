local compiling = require "tests.lua.compiling"

local score, filter = compiling.score, compiling.filter

local function each(check, bodies)
    for _, body in ipairs(bodies) do check(body) end
end

-- A list of what a node has of three labels: it is longer on one row than on another.
local GROWN = [[
local t = {}
if node.labels.a then t[#t + 1] = node.labels.a end
if node.labels.b then table.insert(t, node.labels.b) end
if node.healthy then t[#t + 1] = "h" end
]]
local TOLD = "return #t * 1000 + (t[1] == 'h' and 1 or 0) + (t[2] == 'h' and 2 or 0) + (t[1] == t[2] and 4 or 0)"
    .. " + (t[3] and 8 or 0) + (x == 'h' and 16 or 0) + (x == node.labels.a and 32 or 0)"

describe("a compiled list does what Lua does", function()
    it("when something is put in the middle of it, or taken out", function()
        each(score, {
            [[local t = { 1, 2, 3 } table.insert(t, 2, 9) local x = table.remove(t, 1)
            return t[1] * 100 + t[2] * 10 + #t + x]],
            [[local t = {} table.insert(t, 1, node.cpu) local x, y = table.remove(t), table.remove(t)
            return x + (y or 3)]],
            "local t = { 1, 2 } table.insert(t, 4, 1) return 1", "local t = { 1, 2 } table.remove(t, 4) return 1",
            "local t = { 1, 2 } return table.remove(t, 3) == nil and #t or 7",
            "table.insert(node.labels.a, 1) return 1",
            "local t = { 1 } table.remove(t) table.remove(t) return #t",
            "local t = { 1, 2 } if node.healthy then table.insert(t, 1, 5) end return #t * 10 + t[1] + t[2]",
            GROWN .. "local x = table.remove(t, 1) " .. TOLD,
            GROWN .. "local x = table.remove(t) " .. TOLD, GROWN .. "local x = t[#t] t[#t] = nil " .. TOLD,
            GROWN .. "local x = t[#t] if #t > 0 then t[#t] = 'x' end " .. TOLD,
            GROWN .. "table.insert(t, 1, 'h') local x = t[#t] " .. TOLD,
            GROWN .. "table.insert(t, 3, 'h') local x = t[#t] " .. TOLD,
            GROWN .. "table.insert(t, node.labels.zone) t[#t + 1] = nil local x = t[#t] " .. TOLD,
            "local t = { 1, node.labels.a } return #t", "local t = { node.cpu, node.labels.a and 2, nil } return #t",
        })
    end)

    it("when it is sorted, with its own order or another, by the very steps of Lua", function()
        each(score, {
            "local t = { node.cpu, 2, node.free_cpu } table.sort(t) return t[1] * 1e4 + t[2] * 10 + 1 / t[3]",
            [[local t = { node.memory, 2, node.disk, node.rank } table.sort(t)
            return (t[1] ~ t[2] * 7) ~ t[3] * 31 ~ t[4] ]],
            [[local t = { node.cpu, 0.0, -0.0, node.free_cpu, 1 } table.sort(t)
            return 1 / t[1] + 1 / t[2] * 3 + 1 / t[3] * 9]],
            "local n = 0 / 0 local t = { node.cpu, n, 2, node.free_cpu } table.sort(t) return t[1] == t[1] and 1 or 2",
            [[local t = { { "a", node.cpu }, { "b", node.memory }, { "c", node.free_cpu }, { "d", 1 } }
            table.sort(t, function(x, y) return x[2] > y[2] end)
            return t[1][1]:byte() + t[2][1]:byte() * 100 + t[3][1]:byte() * 1e4 + t[4][1]:byte() * 1e6]],
            GROWN .. "table.sort(t) local x = t[1] " .. TOLD,
            GROWN .. "table.sort(t, function(a, b) return a > b end) local x = t[1] " .. TOLD,
            -- Orders that contradict themselves: Lua sees some of them.
            "local t = { 3, node.cpu, 1, 5 } table.sort(t, function(a, b) return true end) return t[1] + t[2] * 3",
            "local t = { 3, node.cpu, 1, 5, 4 } table.sort(t, function(a, b) return a <= b end) return t[1] + t[2] * 3",
            "local t = { 3, node.cpu, 1 } table.sort(t, function(a, b) return a.x < b end) return 1",
            "local t = {} table.sort(t) t[1] = 1 table.sort(t) return #t",
        })
        filter [[local t = {}
        for _, k in ipairs { "zone", "a", "b" } do if node.labels[k] then t[#t + 1] = k .. "=" .. node.labels[k] end end
        table.sort(t) return false, table.concat(t, " ")]]
    end)

    it("when values are made of it, and it of values", function()
        each(score, {
            "local function f(...) local t = table.pack(...) return t.n * 10 + #t end return f(1, 2, node.cpu)",
            "local function f(...) local t = table.pack(...) return t.n end return f(1, node.labels.a, nil)",
            "local t = { 1, 2, node.cpu } return math.max(table.unpack(t, 2)) + select(-1, table.unpack(t, 1, 2))",
            "local a, b, c = table.unpack({ node.labels.a }, 1, 3) return a and 1 or b and 2 or c and 3 or 4",
            "local f = function(...) return (select(-2, ...)) end return f(1, node.cpu, 3)",
        })
        compiling.agrees [[local Z = { a = { "x", "y" }, b = { "z" } }
        function filter(node)
            local tags = Z[node.labels.zone] or Z.a
            local first = table.unpack(tags)
            return false, first .. ":" .. table.concat(tags, "/")
        end]]
    end)
end)

describe("a compiled table does what Lua does", function()
    it("when something is put under a key that only a row knows", function()
        each(score, {
            [[local seen, n = {}, 0
            for _, k in ipairs { "a", "b", "zone" } do
                local v = node.labels[k]
                if v and not seen[v] then seen[v] = true n = n + 1 end
            end return n]],
            [[local c = { none = 1 } local z = node.labels.zone or "none"
            c[z] = 2 c.none = (c.none or 0) + 5 c[node.name] = (c[node.name] or 0) + 3 c[z] = node.healthy and 7 or nil
            return (c.none or 0) + (c[z] or 0) * 10 + (c[node.pool] or 0) * 100]],
            "local t = { [node.pool] = 4, default = 2, [node.name] = 1 } return (t.default or 9) + (t[node.os] or 100)",
            "local t = {} t[node.rank] = 1 t[node.rank + 1] = 2 t[1] = 3 return (t[1] or 9) + (t[node.rank] or 5) * 10",
            "local t = { 'x' } if node.healthy then t[node.name] = 1 end return #t + (t[node.os] or 2)",
        })
    end)

    it("when it is asked whether there is anything in it", function()
        each(score, {
            "return next(node.labels) and 1 or 2", "return next(workload.labels) == nil and 1 or 2",
            [[local t = {} if node.labels.a then t.b = 1 end if node.healthy then t.a = 2 end
            return next(t) == 'b' and 1 or 2]],
            "local t = { a = node.labels.a } local k, v = next(t) return k and #v or -1",
        })
    end)

    it("when a row chooses which field of a node it is", function()
        each(score, {
            "return node[node.healthy and 'cpu' or 'free_memory']",
            "local r = node.cpu > 2 and 'cpu' or 'memory' return node['free_' .. r] / node[r]",
            "local m = node.healthy and 'labels' or 'attributes' return node[m].a and 1 or 2",
        })
    end)
end)

describe("a compiled variable of the file", function()
    it("does what Lua does where it is set before it is read", function()
        compiling.agrees [[
            local reasons, last = nil, 0
            local function fail(reason) reasons[#reasons + 1] = reason end
            function filter(node)
                reasons = {}
                if node.healthy then last = node.rank else last = 3 end
                if node.cpu > 2 then fail "cpu" end
                if node.rank >= last then fail("rank " .. last) end
                return #reasons == 0, table.concat(reasons, "; ")
            end
            local best
            local function look(x) if not best or x > best then best = x end end
            function score(node) best = nil look(node.cpu) look(node.free_cpu) return best end]]
    end)
end)

describe("a compiled function that calls itself", function()
    it("does what Lua does, as long as it is known how deep it goes", function()
        each(score, {
            "local function f(n) return n == 0 and node.cpu or n + f(n - 1) end return f(4)",
            [[local t = { 1, node.cpu, { 2, { node.rank, 3 } } }
            local function sum(x)
                if type(x) == "number" then return x end
                local s = 0
                for _, v in ipairs(x) do s = s + sum(v) end
                return s
            end return sum(t)]],
        })
    end)
end)
