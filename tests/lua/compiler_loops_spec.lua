local compiler = require "compiler.compiler"
local compiling = require "tests.lua.compiling"
local evaluate = require "compiler.evaluate"

local score = compiling.score

describe("a loop that a row alone ends", function()
    it("takes as many turns as the row says", function()
        score "local n = 0 for i = 1, math.min(node.allocations, 40) do n = n + i end return n"
        score "local n = 0 for i = 3, math.min(node.cpu, 20.5) do n = n + i end return n"
        score "local n = 0 for i = 9, math.max(node.free_cpu, -80), -2 do n = n * 2 + i end return n"
        score "local n = 0 for i = 1, workload.labels.n and 2 do n = n + i end return n"
        score "local n = 0 for i = 1, node.healthy and 3 do n = n + i end return n"
    end)

    -- Makes the program of a score, and returns what it says of a node of that name.
    local function asked(body, name)
        local program = compiler.compile(("function score(node)\n%s\nend"):format(body)).program
        return evaluate.row(evaluate.prepare(program), { node = { name = name, labels = {}, allocations = #name } })
    end

    it("is left to Lua on a row where it takes more turns than are walked, and there alone", function()
        for body, most in pairs {
            ["local n = 0\nfor w in node.name:gmatch '%a' do n = n + 1 end return n"] = 32,
            ["local n = 0\nfor i = 1, #node.name do n = n + 1 end return n"] = 64,
        } do
            assert.equal(most, asked(body, ("a"):rep(most)).score)
            local left = asked(body, ("a"):rep(most + 1))
            assert.is_true(left.left)
            assert.equal(3, left.line, body)
            assert.equal(("left to Lua: this loop takes more than %d turns"):format(most), left.trap)
        end
    end)

    it("takes fewer turns where more would be too much work", function()
        local body = "local n = 0 for w in node.name:gmatch '%a' do n = n + #w:upper() end return n"
        assert.equal(8, asked(body, ("a"):rep(8)).score)
        assert.is_true(asked(body, ("a"):rep(20)).left)
    end)
end)
