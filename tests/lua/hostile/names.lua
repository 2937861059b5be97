-- Scripts that reach for what a policy does not have.

--- io: fails
io.open("/etc/passwd")

--- io.write: fails
io.write("\0\0\0\11{\"ok\":true}")

--- io.popen: fails
io.popen("true")

--- os.execute: fails
os.execute("true")

--- os.exit: fails
os.exit(0)

--- os.getenv: fails
os.getenv("HOME")

--- os.time: fails
return os.time()

--- debug.getregistry: fails
debug.getregistry()

--- debug.sethook: fails
debug.sethook()

--- debug.setmetatable: fails
debug.setmetatable("", {})

--- debug.upvaluejoin: fails
debug.upvaluejoin(score, 1, function() end, 1)

--- load: fails
load("return 1")()

--- loadstring: fails
loadstring("return 1")()

--- loadfile: fails
loadfile("/etc/passwd")

--- dofile: fails
dofile("/etc/passwd")

--- require: fails
require "os"

--- package.loadlib: fails
package.loadlib("libc.so.6", "system")

--- package.loaded: fails
return package.loaded.os

--- print: fails
print("{\"ok\":true}")

--- warn: fails
warn("@on")

--- coroutine.wrap: fails
coroutine.wrap(function() end)()

--- coroutine.create in pcall: harmless
pcall(function() coroutine.create(function() while true do end end) end)

--- coroutine.close: fails
coroutine.close()

--- collectgarbage stop: fails
collectgarbage("stop")

--- collectgarbage generational: fails
collectgarbage("generational")

--- setmetatable with a finalizer: fails
setmetatable({}, { __gc = function() while true do end end })

--- setmetatable with __index: fails
setmetatable({}, { __index = function(t, k) return t[k + 1] end })

--- getmetatable of text: fails
getmetatable("").__index = nil

--- getmetatable of the environment: fails
getmetatable(_ENV).__newindex = nil

--- rawget: fails
return rawget(_ENV, "x")

--- rawset: fails
rawset(_ENV, "x", 1)

--- rawequal: fails
return rawequal(1, 1)

--- xpcall with an endless handler: fails
xpcall(error, function() while true do end end)

--- to be closed: fails
local x <close> = {}
return x

--- to be closed in pcall: harmless
pcall(function() local x <close> = {} return x end)

--- _G: fails
_G.x = 1

--- string.dump: fails
string.dump(function() end)

--- string.dump as a method: fails
(""):dump()

--- string.pack: fails
string.pack("i16", 1)

--- string.unpack as a method: fails
("\0"):unpack("i16")

--- math.random: fails
return math.random()

--- math.randomseed: fails
math.randomseed(1)

--- json: fails
json.encode({})

--- lattice in a policy: fails
return lattice.password(20)

--- the search of modules: fails
return package.searchers[1]

--- a metamethod by a field of that name: fails
local t = { __index = function() return 1 end, __call = function() return 1 end, __lt = function() return true end }
return t.x + t()

--- the methods of text: fails
local s = "" s.format = function() return "x" end
