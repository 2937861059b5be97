local compiler = require "compiler.compiler"
local compiling = require "tests.lua.compiling"

-- What a compiled policy tells: its rules and terms, what could not be compiled, and what is wrong.

local function rules_of(body)
    local told = {}
    for index, rule in ipairs(compiling.filter(body).rules) do
        told[index] = ("%d: %s"):format(rule.line, rule.text)
    end
    return told
end

describe("the rules of a filter", function()
    it("are the parts of what it returns, as they were written", function()
        assert.same({ "2: node.healthy", "3: node.pool == 'x'", "4: node.free_cpu >= workload.cpu" }, rules_of [[
return node.healthy
    and node.pool == 'x'
    and node.free_cpu >= workload.cpu]])
        assert.same({ "2: not node.healthy", "2: node.os == ''" },
            rules_of "return not (node.healthy or node.os ~= '')")
    end)

    it("are the parts of a condition, told as what would have had to hold", function()
        assert.same({ "2: node.healthy", "2: node.pool == 'x'", "3: not (node.os == '' and node.cpu > 2)" }, rules_of [[
if not node.healthy or node.pool ~= 'x' then return false, "a" end
if node.os == '' and node.cpu > 2 then return false, "b" end
return true]])
    end)

    it("are told by the return where there is no condition", function()
        assert.same({ "2: return false, 'never'" }, rules_of "return false, 'never'")
        assert.same({ "1: it returns nothing" }, rules_of "")
    end)

    it("come from the line of the helper that refuses", function()
        assert.same({ "3: b >= workload.cpu", "4: b ~= 3" }, rules_of [[
local function fits(b)
    if b < workload.cpu then return false, "little" end if
    b == 3 then return false, "three" end
    return true
end
return fits(node.free_cpu)]])
    end)

    it("carry what there is and what is needed, where they are one comparison", function()
        local program = compiling.filter [[
if workload.cpu > node.free_cpu then return false, "cpu" end
if node.name == workload.name then return false, "name" end
return node.free_memory >= workload.memory and node.healthy]]
        local told = {}
        for index, rule in ipairs(program.rules) do
            told[index] = rule.compare and ("%s %s %s"):format(program.ops[rule.have + 1][2], rule.compare,
                program.ops[rule.need + 1][2]) or "none"
        end
        assert.same({ "node.free_cpu >= workload.cpu", "node.name ~= workload.name",
            "node.free_memory >= workload.memory", "none" }, told)
    end)
end)

describe("the terms of a score", function()
    local function terms_of(body)
        local told = {}
        for index, term in ipairs(compiling.score(body).terms or {}) do
            told[index] = ("%d: %s"):format(term.line, term.text)
        end
        return told
    end

    it("are what its sum is made of, through its variables", function()
        assert.same({
            "2: 600 * node.free_cpu / node.cpu", "2: 0.4 * node.memory", "3: -300 if node.healthy", "4: -(2 * bonus)",
        }, terms_of [[local s = 600 * node.free_cpu / node.cpu + 0.4 * node.memory
if node.healthy then s = s - 300 end
local bonus = node.disk / 2 s = s - 2 * bonus
return s]])
    end)

    it("are those of every way out", function()
        assert.same({ "2: 5", "3: node.cpu", "3: node.free_cpu" },
            terms_of "if node.healthy then return 5 end\nreturn node.cpu + node.free_cpu")
    end)

    it("have the author's parentheses, and no second ones", function()
        assert.same({ "2: node.cpu", "2: -(tonumber(node.name) or 4)" },
            terms_of "return node.cpu - (tonumber(node.name) or 4)")
    end)

    it("leave out what begins with nothing", function()
        assert.same({ "2: node.cpu * 2" }, terms_of "local s = 0 s = s + node.cpu * 2 return s")
    end)
end)

describe("what goes wrong on every row", function()
    it("is told as Lua tells it, of what is written down too", function()
        compiling.filter "return false, (0):format(node.cpu)"
        compiling.filter "return false, ('x').y.z"
        compiling.filter "return (1)(node)"
        compiling.filter "return #5 + -'x' > 0"
    end)
end)

describe("what cannot be compiled", function()
    local function refused(body)
        return compiling.refused(("function score(node, workload)\n%s\nend"):format(body))
    end

    it("is told with its line, why, and what to write instead", function()
        for body, why in pairs {
            ["local s = 0\nfor i = node.allocations, 9 do s = s + i end return s"] =
                "a bound of this loop, 'node.allocations', is known to a row only",
            ["local i = 0\nwhile i < node.allocations do i = i + 1 end return i"] =
                "how often this loop runs is known to a row only",
            ["local function f(n)\nreturn n <= 0 and 1 or n * f(n - 1) end return f(node.rank)"] =
                "a function may call itself more than 20 deep",
            ["local s = 0\nfor k in pairs(node) do s = s + #k end return s"] =
                "the fields of node are gone through",
            ["local s = 0\nfor z, w in pairs { [node.name] = 1, b = 2 } do s = s * 2 + w end return s"] =
                "a table is gone through whose keys only a row knows",
            ["local z = node.name\nreturn z:rep(2)"] = "string.rep is called with what only a row knows",
            ["local z = node.name\nreturn z:byte(1, 2)"] = "string.byte is asked for several",
            ["local z = node.name\nreturn z:match(node.pool) and 1 or 2"] =
                "match is given a pattern that is known to a row only",
            ["local z = node.name\nreturn z:match '(a)%1' and 1 or 2"] =
                "the pattern \"(a)%1\" repeats what it has captured, by %1",
            ["local z = node.name\nreturn z:match '()a' and 1 or 2"] = "the pattern \"()a\" asks for a place by ()",
            ["local z = node.name\nreturn z:match '[a' and 1 or 2"] = "the pattern \"[a\" is malformed",
            ["local z = node.name\nreturn z:find('a', 2) or 0"] = "find is told where to begin",
            ["local z = node.name\nreturn z:find('a', 1, node.healthy) or 0"] =
                "argument 3 of find is known to a row only",
            ["local z = node.name\nreturn #z:gsub('a', string.upper)"] =
                "string.gsub is given something else than a text to put in its place",
            ["local z = node.name\nreturn math.max(z:find 'a')"] = "it returns now more values, now fewer",
            ["local function f(z) return z:match '(a)(b)' end\nreturn tonumber(f(node.name)) or 0"] =
                "it returns now more values, now fewer",
            ["local z = node.labels.w\nreturn tonumber(z, 16) or 0"] = "tonumber is given a base",
            ["local z = node.labels.w\nreturn z | 1"] = "here text would become a number",
            ["local z = node.name .. node.cpu\nreturn z == 'ax' and 1 or 2"] =
                "a text with a number that has decimals is compared",
            ["local z = node.name .. node.cpu\nreturn #z"] =
                "something is done with a text that has a number with decimals in it",
            ["\nreturn pcall(error) and 1 or 2"] = "pcall may go on after an error",
            ["local t = { nil, node.labels.a }\ntable.insert(t, 3) return 1"] =
                "how long a list with holes is, is known to a row only",
            ["local t = { 1, 2, 3 }\ntable.insert(t, node.rank, 3) return 1"] =
                "a place that table.insert is told is known to a row only",
            ["local t = { 1, 2, 3 }\ntable.insert(t, 2, node.labels.a) return 1"] =
                "what is put into a list may be nil",
            ["local t = { node.labels, 2 }\ntable.sort(t) return 1"] =
                "table.sort is given what is neither all numbers nor all texts",
            ["local t = { 1, 2, 3, 4, 5, 6, 7, node.cpu }\ntable.sort(t) return 1"] =
                "table.sort is given more than 7 entries",
            ["local t = {}\nt[node.labels.a] = 1 return 1"] =
                "a table is changed under a key that is no text on some row",
            ["local t = { 1 }\nreturn next(t, 1) or 2"] = "next is told a key",
            ["\nreturn node[workload.name]"] = "a field of node is named by a value",
            ["local t = { nil, node.healthy }\nreturn #t"] = "the length of 't' is known to a row only",
            ["::again::\ngoto again"] = "goto again goes back",
            ["local w = node.name:gmatch '%a'\nreturn #(w() or '')"] = "what string.gmatch returns is called",
            ["\nfor w in node.name:gmatch('%a', 2) do return 1 end"] = "string.gmatch is told where to begin",
        } do
            local entry = refused(body)
            assert.equal(why, entry.why)
            assert.equal(3, entry.line, why)
            assert.is_true(#entry.instead > 10, why)
        end
    end)

    it("includes what takes long for each node", function()
        for form, turns in pairs { ["math.sin(node.cpu * i)"] = 62, ["(node.cpu * i) % 7.5"] = 15,
            ["#('x' .. i .. node.name)"] = 39 } do
            local body = "local s = 0.0 for i = 1, %d do s = s + %s end return s"
            compiling.score(body:format(turns - 2, form), 50)
            local entry = refused(body:format(turns + 2, form))
            assert.equal("it uses too many patterns, functions of math, powers, % of floats and new texts for one node",
                entry.why)
        end
    end)

    it("includes what a file would keep from row to row", function()
        for _, source in ipairs {
            "local n = 0 function score() n = n + 1 return n end",
            "local n = 0 function filter(node) n = node.rank return true end function score() return n end",
            "local n = 0 function score(node) if node.healthy then n = 1 end return n end",
            "local n = 0 function filter() return n == 0 end function score(node) n = node.rank return n end",
        } do
            assert.equal("'n' is kept from row to row", compiling.refused(source).why)
        end
        assert.matches("is changed, which is not a table of this call", compiling.refused(
            "local T = {} function score(node) T.x = node.cpu return T.x end").why)
    end)

    it("includes functions that are not the file's, and tables of any size", function()
        assert.equal("a function is called that remembers something", compiling.refused [[
local next_word = ("a b c"):gmatch "%a"
function score() return next_word() and 1 or 2 end]].why)
        assert.equal("a table of more than 256 entries is gone through", compiling.refused [[
local T = {}
for i = 1, 100000 do T[i] = i end
function score(node) return T[node.allocations] or 0 end]].why)
    end)

    it("leaves the other function compiled, and gives no program", function()
        local result = compiler.compile [[
function filter(node) return node.name:rep(2) ~= "aa" end
function score(node) return node.cpu end]]
        assert.is_nil(result.program)
        assert.is_false(result.functions[1].compiled)
        assert.is_true(result.functions[2].compiled)
        assert.is_true(result.functions[2].ops > 0)
    end)

    it("includes what is too large, however small its text", function()
        local start = os.clock()
        for _, body in ipairs {
            "local s = 0 for i = 1, 1e9 do s = s + node.cpu * i end return s",
            "local s = 0 while true do s = s + node.cpu end return s",
            "local s = node.cpu for i = 1, 30 do s = s * s + i local t = s s = t // 3 + t % 7 for j = 1, 99 do "
                .. "s = s + j / (node.memory + i) end end return s",
            "local function f(x) return x + 1 end " .. ("local g = f function f(x) return g(x) + g(x) end "):rep(3)
                .. "return f(node.cpu)",
            "return " .. ("node.cpu * (1 + "):rep(60) .. "1" .. (")"):rep(60),
            ("local s = 1 %s return s"):format(("if s > 1 then s = s + node.cpu else s = s * 2 end "):rep(2000)),
            "local t = {} for i = 1, 300 do t[i] = i end return t[node.allocations] or 0",
            "local s = 'x' while true do s = s .. s end", "local s = node.name while true do s = s .. s end",
            "local t = {} while true do t[#t + 1] = { t } end", "return ('x'):rep(1 << 40)",
            "return ('a'):rep(60):find(('a*'):rep(60) .. 'b') and 1 or 2",
            "return node.cpu" .. (" + node.cpu"):rep(15000),
        } do
            local result = compiler.compile(("function score(node)\n%s\nend"):format(body))
            assert.is_nil(result.defect, result.defect)
        end
        assert.is_true(os.clock() - start < 20)
    end)
end)

describe("a file that names a field that is not there", function()
    it("is refused, also where no example comes by", function()
        assert.same({ line = 2, problem = "node has no field 'memroy'; did you mean 'memory'?" }, compiling.problem [[
function score(node)
    if node.cpu > 1000 then return node.memroy end
    return 1
end]])
    end)
end)
