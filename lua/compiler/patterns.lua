-- Patterns that the console can match: those of Lua, but for back-references (%1) and captures of places (()). What Lua
-- might raise an error for is none. core/policy/pattern.c reads the same, and nothing that this refuses.

local patterns = {}

local LENGTH_MAX, REPEATS_MAX, CAPTURES_MAX = 128, 16, 8

local REPEAT = { ["*"] = true, ["+"] = true, ["-"] = true, ["?"] = true }

-- Returns the place behind the set that begins at `at`; nil when it does not end.
local function behind_set(text, at)
    at = at + (text:sub(at + 1, at + 1) == "^" and 2 or 1)
    repeat
        local byte = text:sub(at, at)
        if byte == "" then return nil end
        at = at + (byte == "%" and at < #text and 2 or 1)
    until text:sub(at, at) == "]"
    return at + 1
end

-- Returns the place behind what stands for one byte at `at`; nil when that is malformed.
local function behind_bytes(text, at)
    local byte = text:sub(at, at)
    if byte == "[" then return behind_set(text, at) end
    if byte == "%" then return at < #text and at + 2 or nil end
    return at + 1
end

-- Returns how many captures a pattern has; nil, and why, when it is not one that can be compiled.
function patterns.read(text)
    local at, captures, open, repeats = 1, 0, 0, 0
    if #text > LENGTH_MAX then return nil, "is too long" end
    if text:sub(1, 1) == "^" then at = 2 end
    while at <= #text do
        local two = text:sub(at, at + 1)
        local one = two:sub(1, 1)
        if two == "()" then return nil, "asks for a place by ()" end
        if one == "(" then
            captures, open, at = captures + 1, open + 1, at + 1
        elseif one == ")" then
            open, at = open - 1, at + 1
            if open < 0 then return nil, "is malformed" end
        elseif one == "$" and at == #text then
            at = at + 1
        elseif two:find "^%%%d" then
            return nil, "repeats what it has captured, by " .. two
        elseif two == "%b" then
            at = at + 4
            if at > #text + 1 then return nil, "is malformed" end
        else
            local frontier = two == "%f"
            if frontier and text:sub(at + 2, at + 2) ~= "[" then return nil, "is malformed" end
            at = frontier and behind_set(text, at + 2) or not frontier and behind_bytes(text, at)
            if not at then return nil, "is malformed" end
            if not frontier and REPEAT[text:sub(at, at)] then at, repeats = at + 1, repeats + 1 end
        end
    end
    if open > 0 then return nil, "is malformed" end
    if captures > CAPTURES_MAX or repeats > REPEATS_MAX then return nil, "has too many captures or repeats" end
    return captures
end

-- Whether a text has nothing in it that means something in a pattern: string.find looks for it as it is.
function patterns.is_plain(text)
    return not text:find "[%^%$%*%+%?%.%(%[%%%-]"
end

-- Whether a replacement names only captures that there are.
function patterns.replaces(captures, replacement)
    for byte in replacement:gmatch "%%(.?)" do
        local index = byte:find "^%d" and tonumber(byte)
        if byte ~= "%" and not (index and index <= math.max(captures, 1)) then return false end
    end
    return true
end

return patterns
