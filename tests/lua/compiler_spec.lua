local compiler = require "compiler.compiler"
local compiling = require "tests.lua.compiling"

local score, filter, agrees = compiling.score, compiling.filter, compiling.agrees

-- Every body is compiled and run beside the function itself over hundreds of rows, with edges among them: the largest
-- integers, zeros of both signs, infinities, texts that are not there.
local function each(check, bodies)
    for _, body in ipairs(bodies) do check(body) end
end

describe("a compiled score does what Lua does", function()
    it("with integers, which wrap, and with floats", function()
        each(score, {
            "return 1",
            "return node.free_cpu",
            "return node.memory",
            "return node.memory + workload.memory * 3 - node.disk",
            "return math.max(node.cpu, 1 << 53) * (1 << 53)", "return math.max(node.cpu, 1 << 52) + (1 << 52)",
            "return node.memory / workload.memory",
            "return node.cpu ^ 2 + 2 ^ node.cpu",
            "return -node.cpu - -node.memory",
            "return -math.mininteger + node.cpu",
            "return 1 / (0.0 * -node.cpu) > 0 and 1 or 2",
            -- Of -0.0 Lua makes 0.0 by taking a 0 from it that is written down, and only then.
            "local z = 0 return (1 / (node.cpu - 0) > 0 and 1 or 2) + (1 / (node.cpu - z) > 0 and 4 or 8)",
            "local z = -0.0 return (1 / (z - 0) > 0 and 1 or 2) + (1 / (-0.0 - 0) > 0 and 4 or 8) + (0 - 0)",
            [[local z <const> = 0
            return (1 / (node.cpu - (2 >> 2)) > 0 and 1 or 2) + (1 / (node.cpu - z) > 0 and 4 or 8)]],
            "local n = 0/0 return n ~= n and 1 or 2",
            "return math.huge - math.huge ~= 0 and 1 or 2",
            "return math.maxinteger // 2 + math.mininteger % 7 + math.pi + (math.huge > node.cpu and 1 or 0)",
        })
    end)

    it("with division that rounds down, its remainder, and division by zero", function()
        each(score, {
            "return node.memory // workload.memory", "return node.memory % workload.memory",
            "return node.cpu // workload.cpu", "return node.cpu % workload.cpu",
            "return node.memory // 2^20 + node.memory % -7", "return 7 // workload.count",
            "local x = node.healthy and 0 or 1 return 7 % x",
            "local x = node.healthy and 1 or 2.5 return x // 2 + x % 2",
        })
    end)

    it("with bits, and floats that have some", function()
        each(score, {
            "return (node.memory & 255) | (node.disk ~ 7) << 2 >> 1 ~ ~node.allocations",
            "return node.cpu | 1", "return (node.cpu & workload.count) << node.free_cpu",
            "return node.memory << node.allocations", "return node.memory >> node.allocations",
        })
    end)

    it("where a number is an integer on one row and a float on another", function()
        each(score, {
            "local x = node.cpu > 0 and node.free_cpu / node.cpu or 0 return x * 3 + x - x * -2",
            -- A zero's sign, told by what it divides.
            "local x = node.healthy and 0 or 0.0 return 1 / (x * -1) > 0 and 1 or 2",
            "local x = node.healthy and 0 or node.cpu local y = x * -5 return 1 / (y + 0.0) > 0 and 1 or 2",
            "local x = node.healthy and 0 or node.cpu return 1 / -x > 0 and 1 or 2",
            "local x = node.healthy and 0 or node.cpu return 1 / (x // -5) > 0 and 1 or 2",
            "local x = node.healthy and 0 or node.cpu return 1 / (x % -5) > 0 and 1 or 2",
            "local x = node.healthy and node.memory or node.cpu return x * 3 - x * x + x // 3 - x % 5",
            [[local x = node.healthy and node.memory or node.cpu local y = node.os == '' and node.disk or node.free_cpu
            return (x < y and 1 or 0) + (x <= y and 2 or 0) + (x == y and 4 or 0) + (x > y and 8 or 0)]],
        })
    end)

    it("with what is in math", function()
        each(score, {
            "return math.max(node.cpu, 1, node.memory) + math.min(node.free_cpu, node.free_memory)",
            "return math.max(0, math.min(1, node.free_cpu / node.cpu))",
            "return math.floor(node.cpu * 1.5) + math.ceil(node.free_cpu) + math.floor(node.memory)",
            "return 1 / math.floor(node.cpu) > 0 and 1 or 2", "return 1 / math.ceil(node.cpu - 0.5) > 0 and 1 or 2",
            "return math.abs(node.cpu) + math.abs(node.memory)",
            "return math.sqrt(node.memory) + math.exp(-node.cpu) + math.log(node.memory)",
            "return math.log(node.cpu, 2) + math.log(node.cpu, 10) + math.log(node.cpu, 3) + math.log(node.cpu, nil)",
            "return math.sin(node.cpu) + math.cos(node.cpu) + math.tan(node.cpu) + math.rad(node.cpu) + math.deg(3)",
            "return math.fmod(node.cpu, 3) + math.fmod(node.memory, workload.memory)",
            "local x = node.healthy and node.memory or node.cpu return math.fmod(x, workload.count)",
            "return math.fmod(-0.0, node.healthy and 1 or 1.0)",
            "local x = math.tointeger(node.cpu) return math.max(x, x)",
            "return 7 // math.modf(node.cpu)", "return 3 * math.floor(1e-10 * node.memory)",
                "local x = math.tointeger(node.cpu) return math.fmod(x, x)",
            "local a, b = math.modf(node.cpu) local c, d = math.modf(node.memory) return a + b + c + d",
            "return (math.tointeger(node.cpu) or -5) + (math.tointeger(node.memory) or 0)",
            "return math.ult(node.memory, workload.memory) and 1 or 0",
            "return math.ult(node.cpu, workload.cpu) and 1 or 0",
            "return math.type(node.cpu) == 'float' and math.type(node.memory) == 'integer' and 1 or 0",
        })
    end)

    it("with and, or, not, and nil", function()
        each(score, {
            "return node.healthy and 5 or 7", "return node.cpu > 0 and node.free_cpu / node.cpu or 0",
            "local z = node.labels.zone return type(z) == 'string' and 1 or type(z) == 'nil' and 2 or 3",
            "local x = not node.labels.a and nil or node.labels.b return x and 1 or 2",
            "local x = node.healthy and node.os == '' or nil return x == nil and 1 or x == false and 2 or 3",
            "return (node.labels.a or node.labels.b or 'none') == 'none' and 1 or 2",
        })
    end)

    it("with texts and labels", function()
        each(score, {
            "return node.name == 'a' and 1 or node.name ~= workload.name and 2 or 3",
            "return node.labels.zone == workload.labels.zone and 10 or 0",
            "return node.labels[workload.labels.want] == 'yes' and 10 or node.labels['a b'] and 3 or 1",
            "local key = node.healthy and 'a' or 'b' return node.labels[key] == 'x' and 1 or 2",
            "return tostring(node.healthy) == 'true' and 1 or 'false' == tostring(node.on_battery) and 2 or 3",
            "return tostring(node.allocations) == '1' and 1 or tostring(node.rank) == '01' and 2 or 3",
            "return node.name == 5 and 1 or node.labels[1] == nil and 2 or 3",
            "return ('a' < 'b' and 1 or 2) + #'abc' + ('10' + 5) + tonumber('7') + ('x'):rep(3):len()",
        })
    end)

    it("with texts that are numbers", function()
        each(score, {
            "return tonumber(node.labels.weight) or -7.5",
            "local w = tonumber(node.labels.weight) return math.type(w) == 'integer' and w // 2 or w or 'none'",
            "return (tonumber(node.labels.a) or 1) < (tonumber(node.labels.b) or 2.5) and 1 or 2",
            "return node.labels.weight + 1", "return node.labels.weight * node.labels.other - 2 ^ node.labels.x",
            "return -node.labels.weight", "return (node.healthy and node.labels.a or node.cpu) * 2",
            "return (node.healthy and node.labels.a) / (node.on_battery and node.labels.b)",
            "return tonumber(node.healthy) == nil and tonumber(node.cpu) or 1",
        })
    end)

    it("with tables that are asked for what a row says", function()
        each(score, {
            "local W = { a = 1, b = 2.5, ['c d'] = 3 } return W[node.labels.zone] or 0",
            "local W = { a = { x = 1 }, b = { x = 2 } } local w = W[node.labels.zone] return w and w.x or 0",
            "local W = { a = { x = 1 }, b = { x = 2 } } return W[node.labels.zone].x",
            "local W = { 10, 20, 30 } return (W[node.allocations] or 0) + (W[node.cpu] or 7)",
            "local W = { [true] = 1, [false] = 2 } return W[node.healthy]",
            "local t = { node.cpu, node.memory, 3 } return t[1] + t[2] + #t",
            "local t = {} table.insert(t, node.cpu) table.insert(t, 3) return math.max(table.unpack(t)) + #t",
            "local t = {} t.x = node.cpu if node.healthy then t.x, t.y = 1, 2 end return t.x + (t.y or 0)",
        })
    end)

    it("in branches, in any order of leaving them", function()
        each(score, {
            [[local s = 0
            if node.healthy then
                if node.cpu > 1 then s = 1 else s = 2 end
            elseif node.os == '' then s = 3
            else s = 4 return s * 10 end
            return s]],
            "if node.healthy then end return node.cpu",
            "if node.healthy then return 1 elseif node.os == '' then return 2.5 end do return node.memory end",
            "local x = 1 do local x = 2 x = x + 1 end return x + node.cpu",
            "local a, b, c = node.cpu, node.memory a, b = b, a return a - b + (c or 0)",
            "local a, t = 0, {} a, a = node.cpu, 7 t.x, t.x = a, 9 return a + t.x",
            [[local fs = {}
            for i = 1, 3 do fs[i] = function() i = i + 1 return i end end
            return fs[1]() * 9 + fs[1]() + fs[3]()]],
            "local x = 5 local f = function() return x end if node.healthy then x = node.cpu end return f()",
            "if node.healthy then goto done end do return 5 end ::done:: return 7",
        })
    end)

    it("in loops with a bound", function()
        each(score, {
            "local s = 0 for i = 1, 10 do if i > node.allocations then break end s = s + i end return s",
            "local s = 0 for i = 10, 1, -3 do s = s + i * node.cpu end return s",
            "local s = 0.0 for i = 0, 1, 0.25 do s = s + i * node.cpu end return s",
            "local s = 0 for i = 1, 5 do if node.allocations == i then goto next end s = s + i ::next:: end return s",
            "local s = 0 for i, v in ipairs { node.cpu, node.memory, 3 } do s = s + i * v end return s",
            [[local s = 0
            for _, z in ipairs { 'a', 'b', 'c' } do
                if node.labels.zone == z then s = s + 10 break end
                s = s + 1
            end
            return s]],
            [[local s = 0
            for _, z in ipairs { node.labels.a, node.labels.b, node.labels.c } do s = s + (z == 'x' and 1 or 100) end
            return s]],
            "local i = 0 while i < 5 do i = i + 1 end return i",
            [[local i = 0
            while i < 5 and node.healthy do
                i = i + 1
                if i == 3 and node.os == '' then break end
            end
            return i]],
            "local i = 0 repeat i = i + 1 local d = i >= 3 until d return i + node.cpu",
            "for i = 1, 3 do for j = 1, 3 do if i * j == node.allocations then return i end end end return 0",
        })
    end)

    it("over pairs, in the order of the keys", function()
        each(score, {
            [[local s = 0
            for zone, w in pairs { a = 1, b = 2.5, x = 7 } do if node.labels.zone == zone then s = s + w end end
            return s]],
            "local s = 0 for k, v in pairs { a = 3 } do s = s + v end return s",
            "local s = 0 for k, v in pairs { b = 3, a = 2, [7] = 5, [-1.5] = 1, [true] = 4, [false] = 6 } do "
                .. "s = s * 10 + v end return s",
            "local s = 0 for k, v in pairs { free_cpu = 0.1, cpu = 0.7, rank = 1e-3 } do s = s + v * node[k] end "
                .. "return s",
            -- of one of several tables, and of none
            [[local of = node.healthy and { a = 1, b = 2 } or node.on_battery and { c = 3, a = 7 } or nil
            local s = 0
            for k, v in pairs(of) do if k ~= node.pool then s = s * 3 + v end end
            return s]],
            -- what comes and goes while it is gone through
            [[local t = { a = 1, b = 2, c = node.healthy and 3 or nil, d = 4 }
            local s = 0
            for k, v in pairs(t) do
                if k == "a" and node.on_battery then t.d = nil end
                if k == "b" then t.c = 9 end
                if v == 9 and node.has_image then break end
                s = s * 10 + v
            end
            return s]],
            [[local s = 0
            for k, v in pairs { x = node.labels.x, y = node.labels.y } do s = s * 2 + #k + #v end
            return s]],
        })
        filter [[for k, v in pairs { a = 'x', b = 'y' } do
            if node.labels[k] ~= v then return false, 'labels' end
        end
        return true]]
        filter [[for k, v in pairs { cpu = 2, memory = 1 << 30, disk = 0 } do
            if node["free_" .. k] < v then return false, k .. " is short of " .. v end
        end
        return true]]
    end)

    it("over the labels that a row has", function()
        local rows = 24 -- such programs are long
        for _, body in ipairs {
            "local n = 0 for k, v in pairs(node.labels) do n = n * 3 + #k + #v end return n",
            [[local s = 0
            for k, v in pairs(node.attributes) do
                if k:find "^disk%." and v == "failing" then s = s + 1 end
                if k == "stop" then break end
            end
            return s - 10 * node.rank]],
            "for k, v in pairs(node.labels) do return k < v and 1 or 2 end return 3",
            "local n = 0 for k in pairs(node.healthy and node.labels or { b = 1, a = 2 }) do n = n * 2 + #k end "
                .. "return n",
        } do score(body, rows) end
        for _, body in ipairs {
            [[for key, value in pairs(workload.labels) do
                local name = key:match "^require/(.+)$"
                if name and node.labels[name] ~= value then return false, "needs " .. name .. "=" .. value end
            end
            return true]],
            [[for k, v in pairs(node.labels) do
                if k:sub(1, 6) == "taint/" and workload.labels[k] ~= v then
                    return false, "tainted: " .. k:sub(7)
                end
            end
            return node.labels[node.pool] == nil or node.labels["pool/" .. node.pool] ~= "no"]],
        } do filter(body, rows) end
        compiling.admit([[local n, known = 0, { owner = true, team = true }
        for k, v in pairs(request.labels) do
            if not known[k] then return false, "unknown label " .. k end
            n = n + 1
        end
        return n < 3 and request.labels[request.name] == nil, n .. " labels"]], rows)
    end)

    it("in functions, with what they hold", function()
        each(score, {
            [[local function f(x) return x * 2 end
            local g = function(a, b) return f(a) + f(b), a end
            local x, y = g(node.cpu, node.memory)
            return x - y]],
            [[local n = 0
            local function add(k) n = n + k end
            if node.healthy then add(1) end
            add(node.cpu)
            return n]],
            "local function f(...) local a, b = ... return select('#', ...) + (a or 0) + (b or 0) end "
                .. "return f(node.cpu) + f(1, 2, 3) + f()",
            "local o = { k = 2 } function o:get(x) return self.k * x end return o:get(node.cpu)",
            "local function f() return 1, 2 end return (f()) + node.cpu",
            [[local rules = {
                a = function(n) return n.cpu end,
                b = function(n) if n.healthy then return 5 end return n.memory end,
            }
            local rule = rules[node.labels.zone]
            return rule and rule(node) or -1]],
            "return (node.healthy and math.abs or math.sqrt)(node.cpu)",
            [[local f = node.healthy and function(x) return x, 2 end or function() return 7 end
            local a, b = f(node.cpu)
            return a + (b or 0)]],
            "local function f(n) if n.healthy then return 1 end return n.cpu end return f(node)",
            "local abs = math.abs return abs(node.cpu)",
        })
    end)

    it("and goes wrong where Lua does, with its sentence", function()
        each(score, {
            "local x if node.healthy then x = 5 end return x + 1",
            "local x if node.healthy then x = 5 end return x > 1 and 1 or 0",
            "return (node.labels.a and 5) < 3 and 1 or 2", "return node.healthy + 1",
            "return node.healthy < 1 and 1 or 2", "local t if node.healthy then t = { a = 1 } end return t.a",
            "local f if node.healthy then f = function() return 3 end end return f()",
            "if node.cpu > 2 then error('too big') end return 1",
            "if node.cpu > 2 then error('too big', 0) end return 1",
            "assert(node.cpu > 2, 'too small') return 1", "assert(node.cpu > 2) return 1",
            "local z = assert(node.labels.zone) return z == 'a' and 1 or 2",
            "local s = 'a' .. node.labels.x return s and 1 or 2",
            "return math.max(node.cpu, node.labels.x and 1)", "return math.sqrt(node.labels.x and 2)",
            "if node.healthy then return 1 end", "return node.healthy and node.name or 1",
            "return node.cpu / node.free_cpu", "", "return node.healthy and 1 or maths.pi",
            "if node.cpu > 2 then total = 1 end return 2",
            "return (true and nil or node.healthy) + 1", "return (node.healthy and nil or node.labels.x) + 1",
            "return ((node.cpu > 2 or 1) and node.healthy) + 1", "return (not false and node.labels) + 1",
            "return (1 < 2 and node.healthy) + 1", "return (-'2' and node.healthy) + 1",
            "local v = 1 if node.healthy then v = true end return math.min(v, node.labels.x and 2)",
            "return #string.sub(node.labels.x, node.healthy and 1)",
            "return math.fmod(math.tointeger(0.5), node.healthy and {} or 0.0)",
        })
    end)
end)

describe("a compiled filter does what Lua does", function()
    it("with nothing to ask of a node", function()
        agrees "function filter(node, workload) return true end"
    end)

    it("with a verdict of any form", function()
        each(filter, {
            "return node.healthy", "return node.healthy and node.pool == 'x' and node.free_cpu >= workload.cpu",
            "return not (node.healthy or node.os == '')", "return node.labels.ssd", "return nil, nil", "",
            "return node.labels.ssd == nil or node.labels.ssd == 'yes'", "return node.healthy and node.name",
            "if not node.healthy or node.pool ~= 'x' or node.cpu < 1 then return false, 'bad' end return true",
            "for _, p in ipairs { 'a', 'b' } do if node.pool == p then return true end end return false, 'no pool'",
        })
    end)

    it("with reasons, written as Lua writes them", function()
        each(filter, {
            "return node.healthy and node.pool == 'x', 'no ' .. node.free_cpu",
            "return false, 'pool ' .. node.pool .. ' is not ' .. workload.name",
            "return false, node.labels.why", "return node.healthy, 5", "return false, ''",
            "if node.cpu < 1 then return false, node.memory end return true",
            "return false, ('%d of %s, %.1f%% %5.2f|%x|%g'):format(node.memory, node.name, node.cpu, node.free_cpu, "
                .. "node.disk, node.cpu)",
            "return false, string.format('%d %s %s %s', node.cpu, node.healthy, node.labels.x, node.cpu)",
            "local x = node.healthy and 1 or 2.5 return false, ('%s %f'):format(x, x) .. x",
            "local x = node.healthy and 1 or 2.0 return false, ('%d'):format(x)",
            "local t = { node.name, 'a', node.cpu } t[#t + 1] = 5 return false, table.concat(t, ', ') .. '!'",
            "return false, ('%5s|%-8s|%3s|%.2s'):format(node.name, workload.name, node.cpu, node.pool)",
            "return false, tostring(node.cpu) .. tostring(node.labels.a) .. tostring(node.healthy)",
            "local why = 'a' if node.healthy then why = 'b' .. node.cpu end return false, why",
            "return false, ('x'):rep(300)", "return false, ('é'):rep(79) .. 'abcé' .. node.name",
        })
    end)

    it("with a function for each kind, which refuses by itself", function()
        local program = agrees [[
local RULES = {
    service = function(node) return node.healthy, "ill" end,
    task = function(node)
        if node.cpu < 2 then return false, "small" end
        return true
    end,
}
function filter(node, workload)
    local rule = RULES[workload.kind]
    if not rule then return false, "no rule for " .. workload.kind end
    return rule(node)
end]]
        assert.equal(3, #program.rules)
    end)

    it("with tables that name a place of their list", function()
        local fifty = ("node.cpu, "):rep(50)
        each(score, {
            "local t = { 1, 2, [1] = 9 } return t[1] + node.cpu", "local t = { [1] = 9, 1, 2 } return t[1] + node.cpu",
            "local t = { 1, [2] = 9, nil } return t[2] + node.cpu",
            "local t = { " .. fifty .. "[1] = 9 } return t[1]", "local t = { " .. fifty .. "7, [1] = 9 } return t[1]",
            "local t = { " .. fifty .. "7, [51] = 9 } return t[51] + node.cpu",
        })
    end)

    it("with helpers that say why", function()
        local fits = [[local function fits(a, b, what)
            if a < b then return false, 'too little ' .. what end
            return true
        end ]]
        each(filter, {
            fits .. [[local ok, why = fits(node.free_cpu, workload.cpu, 'cpu')
            if not ok then return ok, why end
            return fits(node.free_memory, workload.memory, 'memory')]],
            [[local checks = { { node.free_cpu, workload.cpu, 'cpu' }, { node.free_memory, workload.memory, 'memory' } }
            for _, c in ipairs(checks) do if c[1] < c[2] then return false, 'needs ' .. c[3] end end
            return true]],
            [[local checks = {
                function() return node.healthy, 'ill' end, function() return node.cpu > 1, 'small' end }
            for _, c in ipairs(checks) do
                local ok, why = c()
                if not ok then return false, why end
            end
            return true]],
        })
    end)
end)

describe("a compiled file", function()
    it("may have made anything while it was loaded", function()
        agrees [[
local WEIGHTS <const> = { a = 3, b = 4 }
local LIMIT <const> = 5
local names = {}
for name in ("a b x"):gmatch "%a" do names[#names + 1] = name end
table.sort(names, function(a, b) return a > b end)
local function weight(zone) return WEIGHTS[zone] or LIMIT end
function score(node)
    local s = 0
    for i, name in ipairs(names) do if node.name == name then s = s + i end end
    return s + weight(node.labels.zone)
end
function filter(node)
    if node.labels.zone and not WEIGHTS[node.labels.zone] then return false, "zone " .. node.labels.zone end
    return true
end]]
    end)

    it("asks for the score only of what passes", function()
        local program = agrees [[
function filter(node) if node.cpu > 2 then return false, "big" end return true end
function score(node) local x = node.healthy and 1 return x + node.cpu end]]
        assert.equal(1, #program.traps)
    end)

    it("may have any texts, though they be written as values are told apart inside", function()
        local texts, lines = {}, {}
        for number = 1, 30 do
            for _, text in ipairs { "in %d 0 0", "qrt_f %d 0 0" } do
                texts[#texts + 1] = text:format(number)
                lines[#texts] = ("if node.name == '%s' then return 1 end"):format(texts[#texts])
            end
        end
        local body = "local s = math.sin(node.cpu) + math.sqrt(node.cpu)\n" .. table.concat(lines, "\n")
        local found = {}
        for _, op in ipairs(score(body .. "\nreturn s").ops) do
            if op[1] == "const_s" then found[#found + 1] = op[2] end
        end
        assert.same(texts, found)
    end)

    it("may choose again and again between what was chosen before", function()
        local function turns(line)
            local lines = {}
            for number = 1, 40 do lines[number] = line:gsub("%%d", number) end
            return table.concat(lines, "\n")
        end
        local function is_compiled(body)
            debug.sethook(function() error("it takes too long", 0) end, "", 20 * 1000 * 1000)
            local result = compiler.compile(("function filter(node, workload)\n%s\nend"):format(body))
            debug.sethook()
            assert.is_table(result.program, result.defect)
        end
        local swap = turns "local a, b = p, q if node.cpu > %d then p = b end if node.disk > %d then q = a end"
        is_compiled("local p, q = node.labels.x, node.labels.y\n" .. swap .. "\nreturn p == nil")
        is_compiled("local p, q = 'x', 'y'\n" .. swap .. "\nreturn node.labels[p] ~= nil")
        is_compiled("local p, q = node.healthy and node.on_battery, node.healthy\n" ..
            turns "p, q = p and q, p and node.cpu > %d" .. "\nreturn p")
    end)

    it("may be written in any of Lua's ways to write", function()
        agrees "function score(node) return node.cpu--[==[ ] ]] ]==]*0x.8p1-0xA+1e1-#'\\x41\\z\n   \\065\\u{41}' end"
        agrees "--[[ x\n]] local t = { [1] = 2; 3, n = 4, } function score(n) return n.cpu+t[1]+t.n;end"
        agrees "function score(node) local s <const> = [[\nab\n]] return #s + node.cpu end"
        agrees "local function f(t) return t.a end function score(n) return f{a=n.cpu}+#'x'..2 + -2^2 end"
    end)
end)
