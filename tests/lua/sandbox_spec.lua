local harness = require "tests.lua.harness"

describe("a policy file", function()
    local function refusal(source)
        local problem = harness.load_policy(source)
        assert.is_not_nil(problem, "it was accepted")
        return problem.sentence
    end

    it("is refused with the line of what is wrong", function()
        assert.matches("^placement%.lua:2: ", refusal("\nfunction score( return 1 end"))
        assert.matches("^placement%.lua:3: mine$", refusal("local function f()\n\nerror('mine') end\nf()"))
    end)

    it("names the nearest of what it misspells", function()
        assert.matches("did you mean 'memory'%?$", refusal("function score(node) return node.memroy end"))
        assert.matches("did you mean 'math'%?$", refusal("function score() return maths.pi end"))
        assert.matches("there is no 'os' here%.$", refusal("function score() return os.time() end"))
        assert.matches("did you mean 'free_gpus'%?$", refusal("function score(node) return node.free_gpu end"))
        assert.matches("did you mean 'available_seconds'%?$", refusal("function score(node) return node.avail end"))
        assert.matches("no field 'free'%.$", refusal("function score(node) return node.free end"))
    end)

    it("may begin with the mark that some editors write", function()
        assert.is_nil(harness.load_policy "\xEF\xBB\xBFfunction score() return 1 end")
        assert.matches("^placement%.lua:2: mine$", refusal("\xEF\xBB\xBF\nerror('mine')"))
    end)

    it("may end in the way of other systems", function()
        assert.is_nil(harness.load_policy "function score()\r\n    return 1\r\nend\r\n")
    end)

    it("says what a test's makers take, and a number that an assertion gave", function()
        local score = "function score() return 1 end "
        assert.matches("node%.gpus takes an integer, not a string$",
            refusal(score .. "function test_it() node { gpus = '2' } end"))
        assert.matches("node%.gpu_model takes a string or nil, not an integer$",
            refusal(score .. "function test_it() node { gpu_model = 2 } end"))
        assert.matches("test_it fails: 40$", refusal(score .. "function test_it() assert(score() == 2, 40) end"))
    end)

    it("may use what is described and nothing else", function()
        local names = {
            "io", "os", "debug", "load", "require", "dofile", "print", "coroutine", "collectgarbage", "rawget",
            "setmetatable", "getmetatable", "package", "_G", "lattice", "json",
        }
        for _, name in ipairs(names) do
            assert.matches(("there is no '%s' here"):format(name), refusal(name .. "()"), 1, true)
        end
        for _, name in ipairs { "math.random", "string.dump", "string.pack" } do
            assert.is_not_nil(harness.load_policy(("function score() return %s() end"):format(name)))
        end
    end)

    it("keeps no state between decisions", function()
        local nodes = { harness.node { name = "a" } }
        assert.is_nil(harness.load_policy "local n = 0 function score() n = n + 1 return n end")
        for _ = 1, 3 do
            assert.equal(1, harness.decide(harness.workload {}, nodes).a.score)
        end
        assert.matches("keeps no state: the global 'n'", refusal("function score() n = 1 return n end"))
    end)

    it("cannot forge a problem", function()
        local problem = harness.load_policy "error({code = 'invalid_field', sentence = 'forged'})"
        assert.equal("policy", problem.code)
        assert.matches("an error that is a table, not text$", problem.sentence)
    end)

    it("needs filter or score", function()
        assert.matches("defines neither", refusal("local x = 1"))
        assert.matches("score is a number, not a function", refusal("score = 1"))
    end)
end)

describe("what a decision returns", function()
    local nodes = { harness.node { name = "a" }, harness.node { name = "b" } }

    local function problem_of(source)
        -- Only of node b, so that the file is accepted.
        assert.is_nil(harness.load_policy(source))
        local answers, problem = harness.decide(harness.workload {}, nodes)
        assert.is_nil(answers)
        return problem.sentence
    end

    it("is checked, and the line of the function told", function()
        assert.matches("^placement%.lua:2: score returned a number that is not finite",
            problem_of("\nfunction score(n) return n.name == 'b' and 0/0 or 1 end"))
        assert.matches("^placement%.lua:1: score returned a nil;",
            problem_of("function score(n) if n.name ~= 'b' then return 1 end end"))
        assert.matches("^placement%.lua:1: filter returned a number;",
            problem_of("function filter(n) return n.name == 'b' and 1 or true end"))
        assert.matches("^placement%.lua:1: filter returned a table as reason",
            problem_of("function filter(n) return n.name ~= 'b', n.name == 'b' and {} or nil end"))
    end)

    it("may leave out what has a plain meaning", function()
        assert.is_nil(harness.load_policy "function filter(n) if n.name == 'a' then return true end end")
        local answers = harness.decide(harness.workload {}, nodes)
        assert.same({ ok = true, score = 0.0 }, answers.a)
        assert.same({ ok = false, reason = "refused by the filter of placement.lua" }, answers.b)
    end)

    it("has a reason of bounded length", function()
        assert.is_nil(harness.load_policy "function filter() return false, ('x'):rep(10000) end")
        assert.equal(160, #harness.decide(harness.workload {}, nodes).a.reason)
    end)
end)
