local compiler = require "compiler.compiler"
local compiling = require "tests.lua.compiling"
local patterns = require "compiler.patterns"

local score, filter, agrees = compiling.score, compiling.filter, compiling.agrees

local function each(check, bodies)
    for _, body in ipairs(bodies) do check(body) end
end

describe("a compiled policy does with texts what Lua does", function()
    it("with their length", function()
        each(score, {
            "return #node.name", "return string.len(node.name) + node.pool:len()", "return #(node.labels.zone or '')",
            "return #node.labels.zone", "return #(node.name .. '-' .. workload.count) // 2",
            "return #node.name / 2 + #node.name % 3",
        })
    end)

    it("with parts of them", function()
        each(score, {
            "return node.name:sub(1, 3) == 'gpu' and 1 or 2", "return node.name:sub(-2) == '12' and 1 or 2",
            "return #node.name:sub(node.allocations)", "return #node.name:sub(2.0, -2)", "return #node.name:sub(2.5)",
            "return #node.name:sub(0, 99) + #node.name:sub(3, 2) + #node.name:sub(math.mininteger, math.maxinteger)",
            "return #node.labels.zone:sub(1, 2)", "return #node.name:sub(1, nil)",
            "return #string.sub(node.labels.zone, 1)", "return #string.sub()", "return #node.name:sub()",
            "return #node.name:sub(1, node.memory) + #node.name:sub(-node.allocations, -1)",
        })
    end)

    it("in small letters, large ones, and backwards", function()
        each(filter, {
            "return (node.labels.tier or 'Gold'):lower() == 'gold'", "return node.name:upper() == node.name",
            "return false, node.name:lower() .. '/' .. string.upper(node.pool) .. node.os:reverse()",
            "return node.labels.x:upper() == 'A', 'x'",
        })
    end)

    it("looking for others in them", function()
        each(filter, {
            "return node.name:find('gpu', 1, true)", "return not string.find(node.name, 'a')",
            "return node.name:find(workload.name, 1, true) ~= nil", "return node.os:find '' == 1",
            "local at, last = node.os:find('GNU') return at ~= nil, 'at ' .. tostring(at) .. ' to ' .. tostring(last)",
            "return node.name:find(node.labels.x, 1, true)", "return node.name:find('a)') == nil",
            "return (',' .. (node.labels.list or '') .. ','):find(',' .. workload.name .. ',', 1, true) ~= nil",
            "return node.name:find('a', nil, nil) ~= nil, 'x'",
        })
    end)

    it("matching patterns", function()
        each(filter, {
            "return node.name:match '^gpu%-%d+$' ~= nil, 'no'", "return node.name:find '^gpu%-'",
            [[local rack, n = node.name:match "^r(%d+)%-n(%d+)$"
            if not rack then return false, "is called " .. node.name end
            return tonumber(rack) * 100 + tonumber(n) > 700, rack .. "/" .. n]],
            "return tonumber(node.os:match '%d+') == 12, tostring(node.os:match '%d+')",
            "local a, b, c = node.name:find '(%w)(%w*)' return a == 1, tostring(b) .. tostring(c)",
            "return (node.labels.x or ' a, b '):match '^%s*(.-)%s*$' == 'a, b'",
            "local s = node.name:match '^(.-)%-' or node.name return false, s",
            "return node.name:match('a', 1) == 'a'", "return node.name:match '(a*)(b-)$' == ''",
            "return node.name:match '%f[%a]%u' == nil", "return ('xaab'):match 'a*a*a*b' == node.name",
            "return node.labels.x:match '%d' == '1'",
        })
    end)

    it("putting something else in the place of matches", function()
        each(filter, {
            "local base = node.name:gsub('%-%d+$', '') return base == 'gpu', base",
            "local s, n = node.name:gsub('[aeiou]', '<%0>') return n < 2, s .. n",
            "return (node.name:gsub('(%w)(%w)', '%2%1%%')) == 'x', (node.name:gsub('', '-'))",
            "return (node.os:gsub('^%a', '')) ~= node.os, (node.os:gsub('.', '%1'))",
        })
    end)

    it("in order", function()
        each(filter, {
            "return node.name < 'm', 'late'", "return node.name <= node.pool",
            "return node.name > node.labels.zone", "return node.name >= 'a' .. workload.name",
            "return node.cpu < node.name", "local x = node.healthy and 'b' or 3 return x < 'c'",
            "local x = node.healthy and 'b' or 3 local y = node.healthy and 'a' or 4 return x <= y",
        })
    end)

    it("put together, as the names of labels, in tables, compared, as numbers", function()
        each(filter, {
            "return node.labels['allow-' .. workload.name] == 'yes', 'allow-' .. workload.name",
            "return node.labels['max' .. (node.healthy and '-a' or '-b')] ~= nil, 'no'",
            "return node.labels['n' .. workload.count] == nil",
            "return ({ ['a>b'] = true })[(node.labels.from or 'a') .. '>' .. (workload.labels.to or 'b')]",
            "return node.name .. '-' .. node.pool == 'gpu-01'",
            "return 'x' .. node.allocations == 'x1', 'x' .. node.allocations",
            "return tonumber(node.name:sub(-2) .. '0') == 120", "return (node.name:sub(1, 1) .. '1') * 2 == 22",
            "return tostring(node.healthy) .. node.name == 'truea'",
            "return string.format('%s-%d', node.name, workload.count) == 'a-1'",
        })
    end)

    it("where they are nil or no texts", function()
        each(score, {
            "return #node.cpu", "return #node.healthy", "return (nil)[1]",
            "return node.labels.zone:upper() == 'A' and 1 or 2",
            "return string.upper(node.healthy) == 'A' and 1 or 2", "return string.find(node.name) or 0",
            "return string.match(node.labels.zone, 'a') and 1 or 2",
        })
    end)

    it("byte by byte, and with numbers in them", function()
        each(score, {
            "return node.name:byte(1) == 103 and 1 or 2", "return string.byte(node.name, -1) or 0",
            "return (node.name:byte(0) or -1) + (node.name:byte(99) or -1) + (node.name:byte(-99) or -1)",
            "return #('n' .. node.allocations .. string.format('%5d|%x', node.memory, node.allocations))",
        })
    end)

    it("part by part", function()
        each(filter, {
            [[for part in (node.labels.list or ''):gmatch '[^,]+' do
                if part == workload.name then return true end
            end
            return false, 'not among ' .. (node.labels.list or 'none')]],
            [[local n, last = 0, '?'
            for key, rest in node.name:gmatch '(%w)(%w?)' do n = n + #rest last = key .. n end
            return n > 2, last]],
            [[local words, set = {}, 0
            for word in string.gmatch(node.os, '%a+') do words[#words + 1] = word end
            for index, word in ipairs(words) do if word == 'Linux' then set = index end end
            return #words == set, (words[1] or '') .. '+' .. #words]],
            "local s = '' for a, b in node.name:gmatch '%-' do s = a .. tostring(b) end return s == '', s",
            "for w in ('^a,^b'):gmatch '^%a' do if w == node.name then return true end end return false, 'x'",
            "for w in node.labels.zone:gmatch '.' do if w == 'a' then return false, w end end return true",
        })
    end)

    it("byte by byte, as often as they are long", function()
        each(score, {
            [[local h = 5381
            for i = 1, #node.name do h = (h * 33 + node.name:byte(i)) % 2147483647 end
            return h]],
            [[local n = 0
            for i = 1, #node.name do if node.name:sub(i, i) == '-' then n = n + i end end
            return n]],
            "local n = 0 for i = 1, #node.name do if node.name:sub(-i, -i) == 'u' then n = i break end end return n",
            "local n = 0 for i = 1, #node.name do if node.name:sub(i, i) == 'gp' then n = i end end return n",
            "local n = 0 for i = 1, #node.pool do n = n + i if node.pool:sub(i, i) == '' then n = -1 end end return n",
            "local n = 0 for i = 0, #node.name, 3 do n = n + #node.name:sub(i, i + 1) end return n",
        })
    end)

    it("in lists that are longer on one row than on another", function()
        each(filter, {
            [[local why = {}
            if not node.healthy then table.insert(why, "ill") end
            if node.free_cpu < workload.cpu then
                why[#why + 1] = ("cpu %.1f < %.1f"):format(node.free_cpu, workload.cpu)
            end
            if node.labels.zone then why[#why + 1] = node.labels.zone end
            if node.on_battery then why[#why + 1] = node.allocations end
            if #why > 0 then return false, #why .. ": " .. table.concat(why, "; ") end
            return true]],
            [[local seen = { "a" }
            for _, name in ipairs { "zone", "rack", "owner" } do
                if node.labels[name] then seen[#seen + 1] = name else table.insert(seen, "-" .. name) end
                if node.labels[name] == "other" then seen[1] = "b" end
            end
            local count = 0
            for index, name in ipairs(seen) do count = count + index * #name end
            return count % 2 == 0, table.concat(seen) .. count]],
            [[local t = {}
            if node.healthy then t[#t + 1] = 1 t[#t + 1] = 2 end
            if node.on_battery then t[#t + 1] = 3 end
            return (t[2] or 0) == (t[#t] or 0), #t]],
            [[local function list(a, b)
                local t = {}
                if a then t[1] = "a" end
                if b then t[#t + 1] = "b" end
                return t
            end
            local t = list(node.healthy, node.on_battery)
            return #t == 1 and t[1] == "b", table.concat(t, "+")]],
        })
    end)

    it("with names made of the names of labels, in loops within loops", function()
        agrees [[
local function tolerates(workload, taint, value)
    for name, what in pairs(workload.labels) do
        if name == "tolerate/" .. taint and (what == value or what == "*") then return true end
    end
    return false
end
function filter(node, workload)
    for name, value in pairs(node.labels) do
        if name:sub(1, 6) == "taint/" and not tolerates(workload, name:sub(7), value) then
            return false, "has the taint " .. name:sub(7)
        end
    end
    return true
end
function score(node) return node.free_cpu end]]
    end)

    it("in reasons of very many forms", function()
        filter [[local s, ok = "", true
        for _, name in ipairs { "a", "b", "c", "d", "e", "f" } do
            if node.labels[name] then s, ok = s .. " " .. name .. node.cpu, false end
        end
        return ok, s]]
    end)

    it("in functions of the file that return several", function()
        agrees [[
local function parse(name)
    local dc, rack = name:match "^(%w+)%-r(%d+)$"
    if not dc then return nil, "is called " .. name end
    return dc, tonumber(rack)
end
local function pair(name) return name:match "^(%w+)%-(%d+)$" end
function filter(node, workload)
    local dc, rack = parse(node.name)
    if not dc then return false, rack end
    return rack < 90, "is in rack " .. rack .. " of " .. dc
end
function score(node)
    local kind, number = pair(node.name)
    return kind == "gpu" and tonumber(number) or 0
end]]
    end)
end)

describe("a pattern", function()
    it("is taken when Lua raises no error for it, on whatever text", function()
        for _, pattern in ipairs { "", "^", "$", "a$b", "^$", "%a+", "[%w_]-x", "[]]", "[^]%-]", "[a-%%]", "%f[%w]",
            "%b()", "(a(b)c)", "(a)*", "*", "+a", "%%", "[%]]", "a-", "^^", "%.", "[%a-z]", "x?y*z+" } do
            assert.is_truthy(patterns.read(pattern), pattern)
            for _, text in ipairs { "", "a", "ab(c)d", "x-y" } do assert.is_true(pcall(string.find, text, pattern)) end
        end
    end)

    it("is refused when it may go wrong, takes long or gives places", function()
        for _, pattern in ipairs { "%", "a%", "[", "[a", "[]", "[^]", "[a%]", "(", "(a", "a)", "%b", "%bx", "%f", "%fa",
            "%f[a", "%1", "(a)%1", "%0", "()", ("a"):rep(129), ("a*"):rep(17), ("(a)"):rep(9) } do
            assert.is_nil(patterns.read(pattern), pattern)
        end
    end)
end)

it("texts that double in a loop are not compiled", function()
    local result = compiler.compile [[
function score(node) local s = node.name for i = 1, 30 do s = (s .. s):lower() end return #s end]]
    assert.is_nil(result.program)
    assert.is_nil(result.defect)
    assert.equal("it makes a text that is too long", result.functions[1].why)
end)
