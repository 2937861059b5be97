-- Scripts that go deep: on Lua's stack, on C's stack, in the matcher.

--- recursion: fails
local function f() return 1 + f() end return f()

--- recursion of two: fails
local f, g
function f(n) return 1 + g(n + 1) end
function g(n) return 1 + f(n + 1) end
return f(1)

--- recursion with large frames: fails
local function f(...) local a, b, c, d, e, g, h, i = ... return f(a, b, c, d, e, g, h, i, ...) + 1 end
return f(1, 2, 3, 4, 5, 6, 7, 8)

--- recursion through pcall: fails
local function f() local _, problem = pcall(f) error(problem) end f()

--- recursion through pcall of itself: fails
local function f(...) return pcall(pcall, f, ...) and error("deep") end f(1)

--- recursion through gsub: fails
local function f(s) return (s:gsub(".", f)) end return f("x")

--- recursion through sort: fails
local function f() table.sort({ 3, 2, 1 }, f) return true end f()

--- recursion through an iterator: fails
local function f() for _ in f do end end f()

--- recursion through gmatch and gsub: fails
local function f() for _ in ("x"):gmatch("x") do ("x"):gsub("x", f) end end f()

--- recursion through select: fails
local function f(...) return select(1, f(...), f(...)) end return f(1)

--- a pattern with more captures than there are: fails
return ("x"):find(("("):rep(40) .. "x" .. (")"):rep(40))

--- a pattern too complex: fails
return (("x"):rep(1000)):match(("(.?)"):rep(31) .. (".?"):rep(300) .. "y")

--- a pattern that ends too early: fails
return ("x"):find("[a")

--- a pattern with an unfinished escape: fails
return ("x"):find("%")

--- a back reference to nothing: fails
return ("x"):find("%1")

--- a position capture used as text: fails
return (("x"):gsub("()x", "%2"))

--- a text of a million texts: fails
return 1 + ("x" .. ("y"):rep(1000)):rep(1000)

--- too many results: fails
local t = {} for i = 1, 1000000 do t[i] = i end return table.unpack(t) + select("#", table.unpack(t, 1, 1000000))

--- a call with a million arguments: fails
local t = {} for i = 1, 1000000 do t[i] = i end return math.max(table.unpack(t))

--- a deep error that is swallowed: harmless
local function f() return 1 + f() end
pcall(f)

--- the stack of C to its end and back: harmless
local function f(s) return (s:gsub(".", f)) end
for _ = 1, 50 do pcall(f, "x") end
