-- Scripts that never end by themselves: in Lua, in C, and with every error swallowed. See README.md for the form.

--- a loop: endless
while true do end

--- a loop by goto: endless
::again:: goto again

--- a loop that never asks: endless
repeat until false

--- a loop in pcall: endless
while true do pcall(function() while true do end end) end

--- a loop that swallows every error: endless
while true do pcall(error, "x") end

--- a loop as long as integers last: endless
for _ = math.mininteger, math.maxinteger do end

--- a loop whose step is too small to move: endless
for i = 1e300, math.huge do local _ = i end

--- a loop over a table that grows: endless
local t = { 1 } for i in ipairs(t) do t[i + 1] = 1 if i % 1000 == 0 then t = {} t[i + 1] = 1 end end
while true do end

--- a loop in an iterator: endless
for _ in function() return 1 end do end

--- tail calls: endless
local function f() return f() end f()

--- tail calls of two: endless
local f, g
function f(n) return g(n) end
function g(n) return f(n) end
f(1)

--- calls with one argument more each time: endless
local function f(...) return f(1, ...) end while true do pcall(f) end

--- a function exchanged for one that calls it: endless
math.floor = function(x) return math.floor(x) end math.floor(1)

--- recursion doubled by pcall: endless
local function f() pcall(f) pcall(f) end f()

--- a pcall that calls pcall that calls pcall: endless
while true do pcall(pcall, pcall, pcall, error) end

--- a stack overflow swallowed again and again: endless
local function deep() return 1 + deep() end
while true do pcall(deep) end

--- a memory error swallowed again and again: endless
while true do pcall(function() local t = {} while true do t[#t + 1] = ("x"):rep(1000) end end) end

--- a bomb of text swallowed again and again: endless
while true do pcall(function() local s = "x" while true do s = s .. s end end) end

--- matching that takes as long as the universe lasts: endless
local n = 28
local s, p = ("a"):rep(n), ("a?"):rep(n) .. ("a"):rep(n)
while true do s:match(p) end

--- matching with a hundred lazy items: endless
local s = ("a"):rep(40000) s:find(("a-"):rep(100) .. "b")

--- matching with greedy items: endless
local s = ("a"):rep(20000) s:match((".*"):rep(20) .. "b")

--- matching of pairs: endless
local s = ("("):rep(250000) while true do s:find("%b()") s:gsub("%b()", "") end

--- matching with frontiers and captures: endless
local s = ("ab "):rep(20000) s:find("(.-)(.-)(.-)(.-)(.-)(.-)(.-)%f[x]x")

--- matching behind gmatch: endless
local s = ("a"):rep(30000) for _ in s:gmatch(("a-"):rep(60) .. "b") do end

--- replacing for ever: endless
while true do (("x"):rep(100000)):gsub("x", "yy") end

--- replacing by a function that does not return: endless
string.gsub("x", "x", function() while true do end end)

--- replacing of nothing by nothing: endless
while true do (("x"):rep(1000000)):gsub("", "") end

--- repeating nothing: endless
return #(""):rep(1 << 60)

--- repeating nothing with nothing between: endless
return #(""):rep(math.maxinteger, "")

--- moving nothing: endless
table.move({}, 1, math.maxinteger - 1, 2)

--- moving nothing into another: endless
table.move({}, 1, math.maxinteger - 1, 1, {})

--- sorting with a comparison that does not return: endless
table.sort({ 3, 2, 1 }, function() while true do end end)

--- sorting with a comparison that lies: endless
while true do
    local t = {}
    for i = 1, 1000 do t[i] = i end
    pcall(table.sort, t, function() return true end)
    pcall(table.sort, t, function(a) return a % 2 == 0 end)
end

--- sorting the worst order again and again: endless
local t = {}
for i = 1, 200000 do t[i] = i % 7 end
while true do table.sort(t) table.sort(t, function(a, b) return a > b end) end

--- inserting in front: endless
local t = {} while true do for i = 1, 100000 do table.insert(t, 1, i) end t = {} end

--- joining for ever: endless
local t = {} for i = 1, 100000 do t[i] = "x" end while true do table.concat(t) end

--- unpacking for ever: endless
local t = {} for i = 1, 100000 do t[i] = i end while true do select("#", table.unpack(t)) end

--- formatting for ever: endless
while true do local _ = ("%99.99f"):format(1e300) local _ = ("%q"):format(("\0"):rep(10000)) end

--- counting characters for ever: endless
while true do utf8.len(("x"):rep(1000000)) end

--- reading a number of a million digits: endless
local s = ("z"):rep(1000000) while true do tonumber(s, 36) tonumber(s) end

--- comparing long texts: endless
local a, b = ("x"):rep(4000000) .. "a", ("x"):rep(4000000) .. "b" while true do local _ = a < b end

--- turning round: endless
local s = ("x"):rep(4000000) while true do s:reverse() s:upper() s:lower() end

--- walking a table whose members go away: endless
local t = {} for i = 1, 200000 do t[i] = true end
while true do for k in pairs(t) do t[k] = nil break end t[1] = true end

--- dividing what is small: endless
local x = 1.0 while x >= 0 do x = x / 2 + 1 end

--- an error in the way out of an error, for ever: endless
local function f() local ok = pcall(error, f) return f(ok) end return f()
