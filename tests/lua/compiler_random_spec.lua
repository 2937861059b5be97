local compiler = require "compiler.compiler"
local random_policy = require "tests.lua.random_policy"
local rehearse = require "compiler.rehearse"
local sandbox = require "lib.sandbox"

local SEEDS, ROWS, COMPILED_AT_LEAST = 250, 20, 150

-- A generator of its own: the same policies everywhere.
local function chance(seed)
    local state = seed * 6364136223846793005 + 1
    return function(count)
        state = state * 6364136223846793005 + 1442695040888963407
        return (state >> 33) % count + 1
    end
end

describe("policies made by chance", function()
    it("are compiled to what Lua makes of them, or not at all", function()
        local compiled = 0
        for seed = 1, SEEDS do
            local source = random_policy.make(chance(seed))
            local globals = sandbox.run(sandbox.compile(source, "placement.lua"))
            local result = compiler.compile(source)
            assert(not result.defect and not result.problem, result.defect)
            if result.program then
                compiled = compiled + 1
                local difference = rehearse.compare(result.program, "placement.lua", globals, seed, ROWS)
                assert(not difference, ("seed %d: %s\n%s"):format(seed, difference, source))
            end
        end
        assert.is_true(compiled >= COMPILED_AT_LEAST, tostring(compiled))
    end)
end)
