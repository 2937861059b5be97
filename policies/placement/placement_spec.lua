local harness = require "tests.lua.harness"

describe("the shipped placement policy", function()
    before_each(function() harness.shipped_policy "placement" end)

    local function decide(workload, nodes)
        local answers, problem = harness.decide(harness.workload(workload), nodes)
        assert.is_nil(problem, problem and problem.sentence)
        return answers
    end

    it("refuses a node that is not healthy, or has too little room, and says why", function()
        local answers = decide({ cpu = 1.5, memory = 1 << 30 }, {
            harness.node { name = "ill", healthy = false },
            harness.node { name = "busy", free_cpu = 1.25 },
            harness.node { name = "full", free_memory = 512 << 20 },
            harness.node { name = "exact", free_cpu = 1.5, free_memory = 1 << 30 },
        })
        assert.same({ ok = false, reason = "is not healthy" }, answers.ill)
        assert.same({ ok = false, reason = "has 1.25 processors free, needs 1.50" }, answers.busy)
        assert.same({ ok = false, reason = "has 512 MiB of memory free, needs 1024 MiB" }, answers.full)
        assert.is_true(answers.exact.ok)
    end)

    it("takes the emptier node", function()
        local answers = decide({}, {
            harness.node { name = "empty" },
            harness.node { name = "half", free_cpu = 2 },
        })
        assert.equal(1000, answers.empty.score)
        assert.equal(750, answers.half.score)
    end)

    it("keeps instances of one workload apart before it looks for room", function()
        local answers = decide({ cpu = 0.5 }, {
            harness.node { name = "mate", workload_instances = 1 },
            harness.node { name = "crowded", free_cpu = 0.5, free_memory = 1 << 30 },
        })
        assert.is_true(answers.crowded.score > answers.mate.score)
    end)

    it("stands a node that tells no capacity", function()
        local answers = decide({}, { harness.node { name = "n", cpu = 0, memory = 0, free_cpu = 0, free_memory = 0 } })
        assert.equal(0, answers.n.score)
    end)
end)
