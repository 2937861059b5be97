-- Texts with values in them: what tostring and string.format make, as parts of a reason.
--
-- A part is text, {val} (as tostring writes it) or {val, format}.

local operate = require "compiler.operate"
local ssa = require "compiler.ssa"
local value = require "compiler.value"

local template = {}

local ALTERNATIVES_MAX = 16

-- Returns an alternative's parts as tostring writes it.
local function written(m, line, one)
    if one.kind == "nil" then return { "nil" } end
    if one.kind == "bool" and m.program:is_const(one.val) then return { tostring(m.program:value(one.val)) } end
    if one.kind == "bool" then return { { val = one.val } } end
    if value.type(one) == "table" or value.type(one) == "function" then
        m.refuse(line, ("a %s is made into text"):format(value.type(one)), "name a field of it")
    end
    return operate.parts_of(m.program, one)
end

-- Returns {guard, parts} for every alternative; a truth that is not constant is two of them.
local function forms_of(m, line, of)
    local forms = {}
    for _, one in ipairs(value.apart(m.program, of)) do
        forms[#forms + 1] = { guard = one.guard, parts = written(m, line, one) }
    end
    return forms
end

local function together(m, line, forms)
    local alternatives = {}
    for index, form in ipairs(forms) do
        alternatives[index] = operate.text_of(m.program, form.parts, form.guard)
    end
    return operate.texts(m, line, alternatives)
end

function template.tostring(m, line, of)
    return together(m, line, forms_of(m, line, of))
end

local FLOATS = { e = true, E = true, f = true, g = true, G = true }
local INTEGERS = { d = "d", i = "d", x = "x", X = "X", o = "o" }

-- Returns the forms of one directive. `spec`: "%5.2f" without its letter.
local function directive(call, spec, letter, index, number_at, integer_at)
    local m, line, program = call.m, call.node.line, call.m.program
    if FLOATS[letter] then
        local of = number_at(index)
        local x = of and value.wide(program, of)
        if not x then return {} end
        if program:is_const(x) then
            return { { guard = ssa.TRUE, parts = { (spec .. letter):format(program:value(x)) } } }
        end
        return { { guard = ssa.TRUE, parts = { { val = x, format = spec .. letter } } } }
    elseif INTEGERS[letter] then
        local x = integer_at(index)
        if not x then return {} end
        if program:is_const(x) then
            return { { guard = ssa.TRUE, parts = { (spec .. letter):format(program:value(x)) } } }
        end
        return { { guard = ssa.TRUE, parts = { { val = x, format = spec .. INTEGERS[letter] } } } }
    elseif letter == "s" and call.args[index] then
        local forms = forms_of(m, line, call.args[index])
        for _, form in ipairs(forms) do
            local only = form.parts[1]
            if spec ~= "%" and (#form.parts > 1 or (type(only) == "table" and only.format)) then
                m.refuse(line, ("%ss is given a width for a text that is put together"):format(spec), "write %s")
            elseif spec ~= "%" and type(only) == "table" then
                form.parts = { { val = only.val, format = spec .. "s" } }
            elseif spec ~= "%" then
                form.parts = { (spec .. "s"):format(only or "") }
            end
        end
        return forms
    end
    m.refuse(line, ("%s%s is no part of a reason"):format(spec, letter), "write %d, %.2f or %s")
end

-- Returns the text that string.format makes of call.args[2], ...; number_at and integer_at return a checked argument.
function template.format(call, format, number_at, integer_at)
    local m, line = call.m, call.node.line
    local forms, at, index = { { guard = ssa.TRUE, parts = {} } }, 1, 1
    while at <= #format do
        local literal, behind = format:match("^([^%%]+)()", at)
        local added
        if literal then
            added = { { guard = ssa.TRUE, parts = { literal } } }
        elseif format:sub(at, at + 1) == "%%" then
            added, behind = { { guard = ssa.TRUE, parts = { "%" } } }, at + 2
        else
            local spec, letter, next_at = format:match("^(%%[%-+ #0]*%d?%d?%.?%d?%d?)(%a)()", at)
            if not spec then m.refuse(line, "the format is not one that Lua knows", "write %d, %.2f or %s") end
            index, behind = index + 1, next_at
            added = directive(call, spec, letter, index, number_at, integer_at)
        end
        local joined = {}
        for _, form in ipairs(forms) do
            for _, more in ipairs(added) do
                local guard = m.program:land(form.guard, more.guard)
                if guard ~= ssa.FALSE then
                    joined[#joined + 1] = { guard = guard, parts = operate.join(form.parts, more.parts) }
                end
            end
        end
        if #joined > ALTERNATIVES_MAX then
            m.refuse(line, "the text has too many forms", "return a reason where it is known")
        end
        forms, at = joined, behind
    end
    if #forms == 0 then return value.NIL end
    return together(m, line, forms)
end

return template
