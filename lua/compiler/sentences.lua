-- What Lua says when something goes wrong, said by Lua itself: the operation is done once, on samples, in an
-- expression of the same shape and with the same names.

local sentences = {}

local builder = {}
builder.__index = builder

local function new()
    return setmetatable({ params = {}, args = {}, uppers = {}, upper_args = {}, env = {} }, builder)
end

local function add(names, values, name, sample)
    for _, known in ipairs(names) do
        if known == name then return name end
    end
    names[#names + 1] = name
    values[#names] = sample
    return name
end

function builder:param(sample, name)
    return add(self.params, self.args, name or "lat" .. #self.params, sample)
end

local ARITHMETIC = {}
for op in ("+ - * / // % ^ & | ~ << >>"):gmatch "%S+" do ARITHMETIC[op] = true end

-- Whether Lua computes an expression while it reads it.
local function is_numeral(node)
    if node.k == "Paren" then return is_numeral(node.a) end
    if node.k == "Unary" then return (node.op == "-" or node.op == "~") and is_numeral(node.a) end
    if node.k == "Binary" then return ARITHMETIC[node.op] and is_numeral(node.a) and is_numeral(node.b) end
    return node.k == "Number"
end

local TRUTH = { Nil = false, False = false, True = true, Number = true, String = true }

local left_of

-- What Lua knows of an expression's truth while it reads it, by the part of it that stands last; nil: nothing.
local function truth(node)
    node = left_of(node)
    if TRUTH[node.k] ~= nil then return TRUTH[node.k] end
    if node.k == "Unary" and node.op == "not" then
        local of = truth(node.a)
        if of == nil then return nil end
        return not of
    end
    if node.k == "And" or node.k == "Or" then
        local last = truth(node.b)
        if last == (node.k == "Or") then return last end
        return nil
    end
    return is_numeral(node) or nil
end

-- What Lua leaves of an expression: it drops what stands in brackets or before and, or, where that is constant.
function left_of(node)
    if node.k == "Paren" then return left_of(node.a) end
    if (node.k == "And" and truth(node.a) == true) or (node.k == "Or" and truth(node.a) == false) then
        return left_of(node.b)
    end
    return node
end

-- Returns the text of an operand that is written like `node` and has the sample's value.
function builder:operand(node, sample)
    node = left_of(node)
    if node.k == "Local" and node.up then return add(self.uppers, self.upper_args, node.var.name, sample) end
    if node.k == "Local" then return self:param(sample, node.var.name) end
    if node.k == "Global" then
        self.env[node.name] = sample
        return node.name
    end
    if node.k == "Index" then
        local key = node.key
        if key.k == "String" or key.k == "Number" then
            local table = self:param { [key.v] = sample }
            return ("%s[%s]"):format(table, key.k == "String" and ("%q"):format(key.v) or tostring(key.v))
        end
        local table = self:param { key = sample }
        return ("%s[%s]"):format(table, self:param "key")
    end
    if node.k == "String" or node.k == "Number" then return ("(%q)"):format(node.v) end
    return self:param(function() return sample end) .. "()"
end

-- Runs the text and returns what it raises, without its place.
function builder:raise(text)
    local uppers = #self.uppers > 0 and ("local %s = ...\n"):format(table.concat(self.uppers, ", ")) or ""
    local source = ("%sreturn function(%s) %s end"):format(uppers, table.concat(self.params, ", "), text)
    local chunk = load(source, "=policy", "t", self.env)
    local fn = chunk(table.unpack(self.upper_args, 1, #self.uppers))
    local ok, message = pcall(fn, table.unpack(self.args, 1, #self.params))
    if ok or type(message) ~= "string" then return "it cannot be done with such values" end
    return (message:gsub("^policy:%d+: ", ""))
end

local SAMPLES = {
    bool = true, int = 1, float = 1.5, text = "text", made = "text", table = {}, object = {}, map = {},
    closure = function() end, matches = function() end,
}

-- Returns a value like the alternative's.
function sentences.sample(one)
    if one.kind == "static" then return one.val end
    return SAMPLES[one.kind]
end

-- left op right
function sentences.binary(op, left, one, right, other)
    local build = new()
    local a = build:operand(left, sentences.sample(one))
    local b = build:operand(right, sentences.sample(other))
    return build:raise(("return %s %s %s"):format(a, op, b))
end

-- op operand
function sentences.unary(op, node, one)
    local build = new()
    return build:raise(("return %s%s"):format(op, build:operand(node, sentences.sample(one))))
end

-- object[key], where key is an expression
function sentences.index(object, one, key)
    local build = new()
    local text = build:operand(object, sentences.sample(one))
    local last = key.k == "String" and ("%q"):format(key.v) or "1"
    return build:raise(("return %s[%s]"):format(text, last))
end

-- fn(), where fn is no function
function sentences.call(fn, one)
    local build = new()
    return build:raise(("local result = %s() return result"):format(build:operand(fn, sentences.sample(one))))
end

-- for ... in by(list), where `by` is ipairs or pairs
function sentences.list(by, one)
    local build = new()
    return build:raise(("for _ in %s(%s) do end"):format(build:param(by), build:param(sentences.sample(one))))
end

-- for i = 1, limit
function sentences.limit(one)
    local build = new()
    return build:raise(("for _ = 1, %s do end"):format(build:param(sentences.sample(one))))
end

-- One of Lua's functions with such arguments, samples[1] to samples[n]. name: what it is called by; method: it is
-- called by a colon, on a text.
function sentences.builtin(name, method, fn, samples)
    local build = new()
    local holder, names = build:param { [name] = fn }, {}
    for index = 1, samples.n do names[index] = build:param(samples[index]) end
    local call = method and ("%s:%s(%s)"):format(names[1], name, table.concat(names, ", ", 2))
        or ("%s.%s(%s)"):format(holder, name, table.concat(names, ", "))
    return build:raise(("local result = %s return result"):format(call))
end

return sentences
