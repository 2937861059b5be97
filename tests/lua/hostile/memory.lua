-- Scripts that take all the memory there is, in one piece or in many.

--- tables in tables: fails
local t = {} while true do t = { t } end

--- an array that grows: fails
local t = {} while true do t[#t + 1] = 0 end

--- an array of tables: fails
local t = {} while true do t[#t + 1] = {} end

--- a table of texts: fails
local t, n = {}, 0 while true do n = n + 1 t[("key "):rep(100) .. n] = true end

--- a table of fractions: fails
local t, n = {}, 0.5 while true do n = n + 1 t[n] = true end

--- a text that doubles: fails
local s = "x" while true do s = s .. s end

--- a text that grows by a byte: fails
local t, s = {}, ("x"):rep(100000) while true do s = s .. "x" t[#t + 1] = s end

--- a text repeated past all sizes: fails
return ("x"):rep(1 << 40)

--- a text repeated past size_t: fails
return ("xx"):rep(math.maxinteger)

--- a text repeated just past the cap: fails
return ("x"):rep(1 << 28)

--- a text repeated with texts between: fails
return (""):rep(1 << 20, ("x"):rep(1 << 20))

--- a replacement that explodes: fails
return (("x"):rep(1 << 20)):gsub("x", ("y"):rep(1 << 10))

--- a replacement that is the whole of it: fails
return (("x"):rep(1 << 16)):gsub(".*", ("%0"):rep(1 << 16))

--- a join that explodes: fails
local t = {} for i = 1, 100 do t[i] = ("x"):rep(1 << 20) end return #table.concat(t)

--- a join with a long text between: fails
local t = {} for i = 1, 10000 do t[i] = "" end return #table.concat(t, ("x"):rep(1 << 20))

--- a format of a long text, many times: fails
local s = ("x"):rep(1 << 22) return #(("%s"):rep(60)):format(table.unpack((function()
    local t = {} for i = 1, 60 do t[i] = s end return t end)()))

--- a quoted text of bytes that grow fourfold: fails
local s = ("\0"):rep(1 << 23) return #("%q"):format(s) .. ("%q"):format(s)

--- functions: fails
local t = {} while true do local x = {} t[#t + 1] = function() return x end end

--- functions in functions: fails
local f = function() end while true do local g = f f = function() return g end end

--- the arguments of a call: fails
local function f(...)
    local t = { ... } for i = 1, #t do t[#t + 1] = i end return f(table.unpack(t))
end
return f(1)

--- packing and unpacking: fails
local t = { 1 } while true do t = table.pack(table.unpack(t), table.unpack(t)) for i = 1, #t do t[#t + i] = 1 end end

--- unpacking a range without end: fails
return table.unpack({}, 1, 100000000)

--- unpacking past integers: fails
return table.unpack({}, math.mininteger, math.maxinteger)

--- moving to far away: fails
local t = { 1 } while true do table.move(t, 1, #t, #t + 1) end

--- inserting: fails
local t = {} while true do table.insert(t, ("x"):rep(100) .. #t) end

--- characters from many numbers: fails
local t, all = {}, {} for i = 1, 5000 do t[i] = 65 end
while true do all[#all + 1] = string.char(table.unpack(t)) .. #all .. utf8.char(table.unpack(t)) end

--- captures: fails
local s, t = ("x"):rep(1 << 20), {} while true do for c in s:gmatch("(.+)") do t[#t + 1] = c .. #t end end

--- texts cut out of a text: fails
local s, t = ("x"):rep(1 << 20), {} for i = 1, #s do t[i] = s:sub(i) end

--- numbers as text: fails
local t = {} for i = 1, math.huge do t[#t + 1] = tostring(i) .. tostring(i / 3) end

--- a ring of rings: fails
local last = {} last.next = last while true do last = { next = last, other = { last } } last.self = last end

--- a bomb that is swallowed: harmless
pcall(function() local t = {} while true do t[#t + 1] = { t } end end)

--- a bomb of text that is swallowed: harmless
pcall(string.rep, "x", 1 << 40)
pcall(function() local s = "x" while true do s = s .. s end end)

--- half of the memory, twice: harmless
for _ = 1, 2 do local _ = #("x"):rep(30 << 20) end

--- a bomb in each of three pcalls: harmless
for _ = 1, 3 do pcall(function() local t = {} while true do t[#t + 1] = ("x"):rep(1 << 16) .. #t end end) end
