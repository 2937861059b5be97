-- The text of a policy as tokens, for the parser and for the copy of the text whose lines are tokens.
--
-- Lua's own load() has accepted the text before it comes here, so that nothing is wrong with it; what is
-- limited is how much of it there is.

local lexer = {}

lexer.TOKENS_MAX = 40000

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then
    true until while]]):gmatch "%a+" do
    KEYWORDS[word] = true
end

local SYMBOLS, LONGEST = {}, 3
for symbol in ([[... << >> // == ~= <= >= :: .. + - * / % ^ # & ~ | < > = ( ) { } [ ] ; : , .]]):gmatch "%S+" do
    SYMBOLS[symbol] = true
end

local ESCAPES = {
    a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\", ['"'] = '"', ["'"] = "'",
}

-- Returns what the escape behind the backslash at `at` stands for, and the place behind it.
local function escape(source, at)
    local letter = source:sub(at + 1, at + 1)
    if ESCAPES[letter] then return ESCAPES[letter], at + 2 end
    if letter == "x" then return string.char(tonumber(source:sub(at + 2, at + 3), 16)), at + 4 end
    if letter == "z" then return "", source:find("[^%s]", at + 2) or #source + 1 end
    if letter == "u" then
        local digits, behind = source:match("^{(%x+)}()", at + 2)
        return utf8.char(tonumber(digits, 16)), behind
    end
    local digits, behind = source:match("^(%d%d?%d?)()", at + 1)
    if digits then return string.char(tonumber(digits)), behind end
    -- A line's end, which may be two bytes.
    return "\n", source:match("^\r\n()", at + 1) or source:match("^\n\r()", at + 1) or at + 2
end

local function quoted(source, at)
    local quote, parts = source:sub(at, at), {}
    at = at + 1
    while true do
        local stop = source:find('[\\"\']', at)
        parts[#parts + 1] = source:sub(at, stop - 1)
        local character = source:sub(stop, stop)
        if character == quote then return table.concat(parts), stop + 1 end
        if character == "\\" then
            parts[#parts + 1], at = escape(source, stop)
        else
            parts[#parts + 1], at = character, stop + 1
        end
    end
end

-- A long bracket that begins at `at`: its content and the place behind it, or nil.
local function long(source, at)
    local level, inside = source:match("^%[(=*)%[()", at)
    if not level then return nil end
    local stop, last = source:find("]" .. level .. "]", inside, true)
    local text = source:sub(inside, stop - 1):gsub("\r\n?", "\n")
    return (text:gsub("^\n", "")), last + 1
end

-- Skips spaces and comments.
local function skip(source, at)
    while true do
        at = source:find("%S", at) or #source + 1
        if source:sub(at, at + 1) ~= "--" then return at end
        local _, behind = long(source, at + 2)
        at = behind or source:find("[\r\n]", at) or #source + 1
    end
end

-- Returns the kind of the token at `at`, its value, and the place behind it.
local function token_at(source, at)
    local word, behind = source:match("^([%a_][%w_]*)()", at)
    if word then return KEYWORDS[word] and word or "name", word, behind end
    local character = source:sub(at, at)
    if character == '"' or character == "'" then
        local text, after = quoted(source, at)
        return "string", text, after
    end
    if character == "[" then
        local text, after = long(source, at)
        if text then return "string", text, after end
    end
    if source:find("^%.?%d", at) then
        local pattern = source:find("^0[xX]", at) and "^0[xX][%x%.]*[pP]?[+-]?%x*()" or "^[%d%.]*[eE]?[+-]?%d*()"
        -- A sign belongs to the number behind its exponent alone.
        local rest = source:find("^0[xX]", at) and "^0[xX][%x%.]*()" or "^[%d%.]*()"
        local stop = source:match(pattern, at)
        if not tonumber(source:sub(at, stop - 1)) then stop = source:match(rest, at) end
        return "number", tonumber(source:sub(at, stop - 1)), stop
    end
    -- A symbol is the longest that fits.
    for length = LONGEST, 1, -1 do
        local symbol = source:sub(at, at + length - 1)
        if SYMBOLS[symbol] then return symbol, symbol, at + #symbol end
    end
    error("a character that is no Lua", 0)
end

-- Returns the tokens {kind, value, line, from, to}, the last of kind "end of file"; nil when there are too many.
function lexer.scan(source)
    local tokens, line, at = {}, 1, 1
    local newline = source:find("\n", 1, true) -- the first that is not counted yet
    while true do
        at = skip(source, at)
        while newline and newline < at do
            line, newline = line + 1, source:find("\n", newline + 1, true)
        end
        if at > #source then break end
        local kind, value, behind = token_at(source, at)
        tokens[#tokens + 1] = { kind = kind, value = value, line = line, from = at, to = behind - 1 }
        if #tokens > lexer.TOKENS_MAX then return nil end
        at = behind
    end
    tokens[#tokens + 1] = { kind = "end of file", line = line, from = #source + 1, to = #source }
    return tokens
end

-- Returns the same text with every token on a line of its own: token i is on line i.
function lexer.spread(source, tokens)
    local lines = {}
    for index, token in ipairs(tokens) do
        if token.kind == "string" then
            lines[index] = ("%q"):format(token.value):gsub("\\\n", "\\n"):gsub("\r", "\\13")
        else
            lines[index] = source:sub(token.from, token.to)
        end
    end
    return table.concat(lines, "\n")
end

return lexer
