-- The tokens of a policy as a tree, for all of Lua 5.4: what cannot be compiled shall be a sentence about a line
-- and not a parse error. Names are resolved here.
--
--   expression   { k = kind, line, from, to, ... }   from, to: its place in the text
--     Nil True False Number{v} String{v} Vararg Function{proto} Local{var, up} Global{name} Index{object, key}
--     Call{fn, args} Method{object, name, args} Binary{op, a, b} Unary{op, a} And{a, b} Or{a, b} Paren{a}
--     Table{items: {key?, value}}
--   statement    { k = kind, line, ... }
--     Locals{vars, values} Assign{targets, values} Do{body} While{condition, body} Repeat{body, condition}
--     If{clauses: {condition, body}, otherwise} For{var, first, last, step, body} In{vars, values, body}
--     LocalFunction{var, proto} Return{values} Break Goto{name} Label{name} CallStatement{call}
--   proto        { params: vars, vararg, body, uppers: vars of outer functions, line, stop: index of its `end` }
--   var          { name, proto, value: what a <const> is made of }

local parser = {}

local DEPTH_MAX = 180 -- as deep as Lua's own parser goes, about

local BINARY = {
    ["or"] = { 1, 1 }, ["and"] = { 2, 2 },
    ["<"] = { 3, 3 }, [">"] = { 3, 3 }, ["<="] = { 3, 3 }, [">="] = { 3, 3 }, ["~="] = { 3, 3 }, ["=="] = { 3, 3 },
    ["|"] = { 4, 4 }, ["~"] = { 5, 5 }, ["&"] = { 6, 6 }, ["<<"] = { 7, 7 }, [">>"] = { 7, 7 },
    [".."] = { 9, 8 }, ["+"] = { 10, 10 }, ["-"] = { 10, 10 },
    ["*"] = { 11, 11 }, ["/"] = { 11, 11 }, ["//"] = { 11, 11 }, ["%"] = { 11, 11 },
    ["^"] = { 14, 13 },
}
local UNARY_PRIORITY = 12

local reader = {}
reader.__index = reader

function reader:fail(what)
    error({ line = self.token.line, what = what }, 0)
end

function reader:next()
    local token = self.token
    self.at = self.at + 1
    self.last = token
    self.token = self.tokens[self.at]
    return token
end

function reader:test(kind)
    if self.token.kind ~= kind then return false end
    self:next()
    return true
end

function reader:expect(kind)
    if self.token.kind ~= kind then self:fail(("'%s' expected"):format(kind)) end
    return self:next()
end

-- A node that begins at a token (or an earlier node) and ends with the last token read.
function reader:node(kind, first, members)
    members.k, members.line, members.from, members.to = kind, first.line, first.from, self.last.to
    return members
end

function reader:enter()
    self.depth = self.depth + 1
    if self.depth > DEPTH_MAX then self:fail "it is nested too deep" end
end

function reader:leave()
    self.depth = self.depth - 1
end

-- ---- names

function reader:open_scope()
    self.scope = { outer = self.scope, proto = self.proto, names = {} }
end

function reader:close_scope()
    self.scope = self.scope.outer
end

function reader:declare(name)
    if name == "_ENV" then self:fail "it uses _ENV" end
    local var = { name = name, proto = self.proto }
    self.scope.names[name] = var
    return var
end

-- Every function between the one that uses an outer variable and the one that declares it holds it.
local function hold(proto, var)
    while proto ~= var.proto do
        if proto.held[var] then return end
        proto.held[var] = true
        proto.uppers[#proto.uppers + 1] = var
        proto = proto.outer
    end
end

function reader:resolve(token)
    local scope = self.scope
    if token.value == "_ENV" then self:fail "it uses _ENV" end
    while scope do
        local var = scope.names[token.value]
        if var then
            hold(self.proto, var)
            return self:node("Local", token, { var = var, up = var.proto ~= self.proto })
        end
        scope = scope.outer
    end
    return self:node("Global", token, { name = token.value })
end

-- ---- expressions

function reader:list()
    local list = { self:expression() }
    while self:test "," do list[#list + 1] = self:expression() end
    return list
end

function reader:table_items()
    local items = {}
    self:expect "{"
    while self.token.kind ~= "}" do
        if self:test "[" then
            local key = self:expression()
            self:expect "]"
            self:expect "="
            items[#items + 1] = { key = key, value = self:expression() }
        elseif self.token.kind == "name" and self.tokens[self.at + 1].kind == "=" then
            local name = self:next()
            self:next()
            items[#items + 1] = { key = self:node("String", name, { v = name.value }), value = self:expression() }
        else
            items[#items + 1] = { value = self:expression() }
        end
        if not self:test "," and not self:test ";" then break end
    end
    self:expect "}"
    return items
end

-- `self_name`: the function is a method, with a first parameter that is not written.
function reader:function_body(first, self_name)
    local proto = { params = {}, uppers = {}, held = {}, outer = self.proto, line = first.line }
    self.proto = proto
    self:open_scope()
    if self_name then proto.params[1] = self:declare(self_name) end
    self:expect "("
    while self.token.kind ~= ")" do
        if self:test "..." then
            proto.vararg = true
            break
        end
        proto.params[#proto.params + 1] = self:declare(self:expect("name").value)
        if not self:test "," then break end
    end
    self:expect ")"
    proto.body = self:block()
    proto.stop = self.at
    self:expect "end"
    self:close_scope()
    self.proto = proto.outer
    return self:node("Function", first, { proto = proto })
end

function reader:arguments()
    if self.token.kind == "string" then
        local token = self:next()
        return { self:node("String", token, { v = token.value }) }
    elseif self.token.kind == "{" then
        local first = self.token
        return { self:node("Table", first, { items = self:table_items() }) }
    end
    self:expect "("
    local list = self.token.kind == ")" and {} or self:list()
    self:expect ")"
    return list
end

local CALLS = { ["("] = true, ["{"] = true, string = true }

function reader:suffixed()
    local first = self.token
    local node
    if self:test "(" then
        node = self:expression()
        self:expect ")"
        node = self:node("Paren", first, { a = node })
    else
        node = self:resolve(self:expect "name")
    end
    while true do
        if self:test "." then
            local name = self:expect "name"
            node = self:node("Index", first, { object = node, key = self:node("String", name, { v = name.value }) })
        elseif self:test "[" then
            local key = self:expression()
            self:expect "]"
            node = self:node("Index", first, { object = node, key = key })
        elseif self:test ":" then
            local name = self:expect("name").value
            node = self:node("Method", first, { object = node, name = name, args = self:arguments() })
        elseif CALLS[self.token.kind] then
            node = self:node("Call", first, { fn = node, args = self:arguments() })
        else
            return node
        end
    end
end

local LITERALS = { ["nil"] = "Nil", ["true"] = "True", ["false"] = "False", ["..."] = "Vararg" }

function reader:simple()
    local first = self.token
    if first.kind == "number" then
        self:next()
        return self:node("Number", first, { v = first.value })
    elseif first.kind == "string" then
        self:next()
        return self:node("String", first, { v = first.value })
    elseif LITERALS[first.kind] then
        self:next()
        return self:node(LITERALS[first.kind], first, {})
    elseif first.kind == "{" then
        return self:node("Table", first, { items = self:table_items() })
    elseif self:test "function" then
        return self:function_body(first)
    end
    return self:suffixed()
end

local UNARY = { ["not"] = true, ["-"] = true, ["#"] = true, ["~"] = true }

function reader:expression(limit)
    self:enter()
    local first, node = self.token
    if UNARY[first.kind] then
        self:next()
        local operand = self:expression(UNARY_PRIORITY)
        node = self:node("Unary", first, { op = first.kind, a = operand })
    else
        node = self:simple()
    end
    local priority = BINARY[self.token.kind]
    while priority and priority[1] > (limit or 0) do
        local operator = self:next()
        local right = self:expression(priority[2])
        local kind = operator.kind == "and" and "And" or operator.kind == "or" and "Or" or "Binary"
        node = self:node(kind, first, { op = operator.kind, a = node, b = right })
        node.line = operator.line
        priority = BINARY[self.token.kind]
    end
    self:leave()
    return node
end

-- ---- statements

local statements = {}

function reader:scoped_block()
    self:open_scope()
    local body = self:block()
    self:close_scope()
    return body
end

statements["if"] = function(self, first)
    local clauses, otherwise = {}, nil
    repeat
        local condition = self:expression()
        self:expect "then"
        clauses[#clauses + 1] = { condition = condition, body = self:scoped_block() }
    until not self:test "elseif"
    if self:test "else" then otherwise = self:scoped_block() end
    self:expect "end"
    return self:node("If", first, { clauses = clauses, otherwise = otherwise })
end

statements["while"] = function(self, first)
    local condition = self:expression()
    self:expect "do"
    local body = self:scoped_block()
    self:expect "end"
    return self:node("While", first, { condition = condition, body = body })
end

statements["do"] = function(self, first)
    local body = self:scoped_block()
    self:expect "end"
    return self:node("Do", first, { body = body })
end

statements["for"] = function(self, first)
    local names = { self:expect("name").value }
    local node
    if self:test "=" then
        local bounds = self:list()
        self:open_scope()
        node = { var = self:declare(names[1]), first = bounds[1], last = bounds[2], step = bounds[3] }
    else
        while self:test "," do names[#names + 1] = self:expect("name").value end
        self:expect "in"
        node = { vars = {}, values = self:list() }
        self:open_scope()
        for index, name in ipairs(names) do node.vars[index] = self:declare(name) end
    end
    self:expect "do"
    node.body = self:scoped_block()
    self:expect "end"
    self:close_scope()
    return self:node(node.var and "For" or "In", first, node)
end

-- The condition sees the body's locals.
statements["repeat"] = function(self, first)
    self:open_scope()
    local body = self:block()
    self:expect "until"
    local condition = self:expression()
    self:close_scope()
    return self:node("Repeat", first, { body = body, condition = condition })
end

statements["function"] = function(self, first)
    local target = self:resolve(self:expect "name")
    local method
    while self.token.kind == "." or self.token.kind == ":" do
        method = self:next().kind == ":"
        local name = self:expect "name"
        target = self:node("Index", first, { object = target, key = self:node("String", name, { v = name.value }) })
    end
    local value = self:function_body(first, method and "self" or nil)
    return self:node("Assign", first, { targets = { target }, values = { value } })
end

statements["local"] = function(self, first)
    if self:test "function" then
        local var = self:declare(self:expect("name").value)
        return self:node("LocalFunction", first, { var = var, proto = self:function_body(first).proto })
    end
    local names, values, vars, constant = {}, {}, {}, {}
    repeat
        names[#names + 1] = self:expect("name").value
        if self:test "<" then -- what they forbid, Lua has checked
            local attribute = self:expect("name").value
            if attribute == "close" then self:fail "a variable that is to be closed" end
            constant[#names] = true
            self:expect ">"
        end
    until not self:test ","
    if self:test "=" then values = self:list() end
    for index, name in ipairs(names) do
        vars[index] = self:declare(name)
        -- Where Lua knows the value it keeps no variable that could be asked.
        if constant[index] then vars[index].value = values[index] end
    end
    return self:node("Locals", first, { vars = vars, values = values })
end

statements["return"] = function(self, first)
    local values = {}
    if not self:ends_block() and self.token.kind ~= ";" then values = self:list() end
    self:test ";"
    return self:node("Return", first, { values = values })
end

statements["break"] = function(self, first) return self:node("Break", first, {}) end

statements["goto"] = function(self, first)
    return self:node("Goto", first, { name = self:expect("name").value })
end

statements["::"] = function(self, first)
    local name = self:expect("name").value
    self:expect "::"
    return self:node("Label", first, { name = name })
end

function reader:expression_statement(first)
    local node = self:suffixed()
    if self.token.kind ~= "=" and self.token.kind ~= "," then
        if node.k ~= "Call" and node.k ~= "Method" then self:fail "a statement expected" end
        return self:node("CallStatement", first, { call = node })
    end
    local targets = { node }
    while self:test "," do targets[#targets + 1] = self:suffixed() end
    self:expect "="
    return self:node("Assign", first, { targets = targets, values = self:list() })
end

local BLOCK_ENDS = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true, ["end of file"] = true }

function reader:ends_block()
    return BLOCK_ENDS[self.token.kind]
end

function reader:block()
    local body = {}
    self:enter()
    while not self:ends_block() do
        local first = self.token
        if not self:test ";" then
            local statement = statements[first.kind]
            if statement then self:next() end
            local node = (statement or self.expression_statement)(self, first)
            body[#body + 1] = node
            if node.k == "Label" then
                body.labels = body.labels or {}
                body.labels[node.name] = true
            elseif node.k == "Return" then
                break
            end
        end
    end
    self:leave()
    return body
end

-- Returns the proto of the whole file, and its functions by the index of their `end`. Raises {line, what}.
function parser.parse(tokens)
    local main = { params = {}, uppers = {}, held = {}, vararg = true, line = 0 }
    local self = setmetatable({ tokens = tokens, at = 1, token = tokens[1], last = tokens[1], proto = main, depth = 0 },
        reader)
    local protos = {}
    local body_of = self.function_body
    self.function_body = function(...)
        local node = body_of(...)
        protos[node.proto.stop] = node.proto
        return node
    end
    self:open_scope()
    main.body = self:block()
    if self.token.kind ~= "end of file" then self:fail "the end of the file expected" end
    return main, protos
end

return parser
