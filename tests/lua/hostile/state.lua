-- Scripts that change what is not theirs, so that the next decision goes wrong.

--- math emptied: harmless
for name in pairs(math) do math[name] = nil end

--- string emptied: harmless
for name in pairs(string) do string[name] = nil end

--- table, utf8 emptied: harmless
for name in pairs(table) do table[name] = nil end
for name in pairs(utf8) do utf8[name] = nil end

--- functions exchanged for others: harmless
math.floor, math.max, table.concat = math.huge, nil, function() return "poisoned" end
string.format, string.rep, string.sub = nil, nil, function() while true do end end

--- functions exchanged for themselves: harmless
string.len = function(s) return s:len() end
local floor = math.floor
math.floor = function(x) return floor(x) + 1 end

--- a global that is set: fails
assert(node.cpu, "a file's own globals are its own")
kept = 1

--- a global that is set twice: fails
assert(node.cpu, "a file's own globals are its own")
local ok = pcall(function() kept = 1 end)
assert(ok, "no state")

--- a builtin that is set: fails
assert(node.cpu, "a file's own globals are its own")
pairs = nil

--- the environment exchanged: fails
_ENV = nil x()

--- the environment exchanged for a poisoned one: harmless
local keep = _ENV
_ENV = { score = 1 }
x = 1
_ENV = keep

--- the environment hidden by a local: harmless
local _ENV = { math = 1 }
score = math

--- the environment's own members: harmless
local names = {}
for name in pairs(_ENV) do names[#names + 1] = name end
assert(#names == 0, "it shows what is behind it")

--- members raw in the environment by next: harmless
assert(next(_ENV) == nil)

--- members moved into the environment: fails
assert(node.cpu, "a file's own globals are its own")
table.move({ 1, 2, 3 }, 1, 3, 1, _ENV)

--- members inserted into the environment: fails
assert(node.cpu, "a file's own globals are its own")
table.insert(_ENV, 1)

--- the environment sorted: harmless
pcall(table.sort, _ENV)

--- node overwritten: contained
node.name = "other" node.free_cpu = "much" node.healthy = nil

--- node with a new member: contained
node.mine = 1

--- node moved into: contained
table.move({ 1, 2, 3 }, 1, 3, 1, node) table.insert(node, 1)

--- labels overwritten: contained
node.labels.disk = "poisoned" node.labels[1] = {} node.labels.labels = node.labels

--- labels emptied: contained
for name in pairs(node.labels) do node.labels[name] = nil end

--- workload overwritten: contained
workload.cpu = 0 / 0 workload.name = {}

--- workload with itself inside: contained
workload.labels.workload = workload

--- state in an upvalue: harmless
local count = 0
local function next_count() count = count + 1 return count end
for _ = 1, 1000 do next_count() end
assert(count == 1000)

--- state in a text's hash: harmless
local t = {}
for i = 1, 50000 do t["collide" .. i] = i end

--- garbage by the megabyte: harmless
for i = 1, 200 do local _ = ("x"):rep(100000) .. i end

--- a problem swallowed and changed: contained
local ok, problem = pcall(error, { code = "internal" })
problem.code = "not_found"
error(problem)

--- an address: contained
return #tostring({}) + #tostring(print or pcall) + #("%p"):format({})
