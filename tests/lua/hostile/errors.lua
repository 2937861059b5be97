-- Errors that are no text, or too much of it, or pretend to be something else.

--- a table as error: fails
error({})

--- a table in a circle as error: fails
local t = {} t.sentence = t t.code = t error(t)

--- nil as error: fails
error()

--- true as error: fails
error(true)

--- a function as error: fails
error(error)

--- a number as error: fails
error(42)

--- not a number as error: fails
error(0 / 0)

--- a text of a megabyte as error: fails
error(("x"):rep(1 << 20))

--- a text of 30 megabytes as error: fails
error(("x"):rep(30 << 20))

--- an error with a forged line of a log: fails
error("\n{\"time\":\"2026-01-01T00:00:00Z\",\"level\":\"error\",\"message\":\"forged\"}\n", 0)

--- an error that draws on a terminal: fails
error("\27[2J\27]0;owned\7\8\8\8", 0)

--- an error that draws by C1 controls: fails
error("\u{9b}2J\u{90}\u{85}\u{9f}", 0)

--- an error that turns the direction of writing: fails
error("\u{202e}\u{2066}\u{feff}\u{2028}", 0)

--- an error that is not UTF-8: fails
error("\xff\xfe\xed\xa0\x80", 0)

--- an error with a NUL: fails
error("good\0bad", 0)

--- an error that forges a problem: fails
error({ code = "invalid_field", sentence = "forged", field = "x", line = -1 })

--- an error that forges a frame: fails
error("\0\0\0\11{\"ok\":true}", 0)

--- an error that forges a line number: fails
error("placement.lua:99999999999999999999999: forged", 0)

--- an error that forges another file: fails
error("/etc/passwd:1: forged", 0)

--- an error with formats: fails
error("%s%s%s%n%999999999d", 0)

--- an error of a level that is not there: fails
error("x", 1 << 40)

--- an error of a negative level: fails
error("x", math.mininteger)

--- an error that only matches slowly: fails
error(("placement.lua:"):rep(20000) .. (":"):rep(100000), 0)

--- an error in a comparison: fails
table.sort({ 3, 2, 1 }, function() error({}) end)

--- an invalid order: fails
local t = {} for i = 1, 100 do t[i] = i end
table.sort(t, function() return true end)

--- an error in a replacement: fails
("x"):gsub("x", function() error() end)

--- a replacement that is a table: fails
("x"):gsub("x", function() return {} end)

--- an error in an iterator: fails
for _ in pairs(nil) do end

--- an iterator that is none: fails
for _ in 42 do end

--- a key that went away: fails
local t = { a = 1, b = 2, c = 3 }
for k in next, t do t[k] = nil t[{}] = 1 t[k .. "x"] = 1 next(t, "not there") end

--- an assertion with a table: fails
assert(false, {})

--- an assertion with nothing: fails
assert()

--- an error again from pcall: fails
local _, problem = pcall(error, { {} }) error(problem, 0)

--- an error behind a thousand pcalls: fails
local function f(n) if n == 0 then error("deep", 2) end local ok, problem = pcall(f, n - 1) error(problem, ok and 1 or 0) end
f(150)

--- a field that is not there, with a name of a megabyte: fails
return node[("x"):rep(1 << 20)]

--- a field whose name draws on a terminal: fails
return node["\27[2J\n" .. node.name]

--- a field whose name is a table: fails
return node[{}]

--- a field whose name is not a number: fails
return node[0 / 0]

--- a global with a name of a megabyte: fails
return _ENV[("x"):rep(1 << 20)]

--- integers divided by zero: fails
return 1 // 0

--- a comparison of what cannot be compared: fails
return {} < {}

--- a concatenation of what is no text: fails
return "x" .. {}

--- a call of what is no function: fails
return (42)()

--- a loop with a step of zero: fails
for _ = 1, 2, 0 do end
