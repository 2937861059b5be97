local spec = require "cli.spec"

local function build(options)
    return spec.build("custom", "web", options, nil, function() return nil end)
end

local function refusal(options)
    local ok, raised = pcall(build, options)
    assert.is_false(ok)
    return raised.detail
end

local function required(text) return build({ require = { text } }).placement.require[1] end

describe("what a deploy asks of its node", function()
    it("is nothing unless it was said", function()
        assert.are.same({ type = "custom", name = "web" }, build {})
    end)

    it("hands resources and kind on", function()
        local made = build { task = true, retries = 2, priority = 80, disk = "10g", bandwidth = "100m" }
        assert.are.same({ type = "custom", name = "web", kind = "task", retries = 2, priority = 80, disk = "10g",
            bandwidth = "100m" }, made)
        assert.matches("Only a task has retries", refusal { retries = 2 })
    end)

    it("counts devices, or shares one", function()
        assert.are.same({ count = 2, model = "A100" }, build({ gpus = "2:A100" }).gpus)
        assert.are.same({ count = 1, memory = "16g" }, build({ gpus = "1", gpu_memory = "16g" }).gpus)
        assert.are.same({ share = 0.5, model = "Tesla T4" }, build({ gpus = "0.5:Tesla T4" }).gpus)
        assert.are.same({ count = 1 }, build({ gpus = "1.0" }).gpus)
        for _, text in ipairs { "0", "1.5", "x", "-1", "T4", "", "1.2.3" } do
            assert.matches("a number of devices", refusal { gpus = text })
        end
        assert.matches("%-%-gpus", refusal { gpu_memory = "16g" })
    end)

    it("reads conditions as they are written", function()
        assert.are.same({ key = "zone", operator = "=", values = { "a" } }, required "zone=a")
        assert.are.same({ key = "zone", operator = "!=", values = { "a" } }, required "zone!=a")
        assert.are.same({ key = "zone", operator = "in", values = { "a", "b" } }, required "zone=a,b")
        assert.are.same({ key = "zone", operator = "not_in", values = { "a", "b" } }, required "zone!=a,b")
        assert.are.same({ key = "cores", operator = ">", values = { "4" } }, required "cores>4")
        assert.are.same({ key = "cores", operator = "<", values = { "4" } }, required "cores<4")
        assert.are.same({ key = "ssd", operator = "exists" }, required "ssd")
        assert.are.same({ key = "ssd", operator = "not_exists" }, required "!ssd")
        assert.are.same({ key = "a", operator = "=", values = { "b=c" } }, required "a=b=c")
        for _, text in ipairs { "=a", "", "!", "cores>=4", "cores<=4", "a!b", "!a=b" } do
            assert.matches("takes a condition", refusal { require = { text } })
        end
    end)

    it("weighs what is preferred, and nothing that is required", function()
        local made = build { prefer = { "zone=a:50", "ssd", "image=x:y" }, require = { "image=x:50" } }
        assert.are.same({
            { key = "zone", operator = "=", values = { "a" }, weight = 50 }, { key = "ssd", operator = "exists" },
            { key = "image", operator = "=", values = { "x:y" } },
        }, made.placement.prefer)
        assert.are.same({ "x:50" }, made.placement.require[1].values)
    end)

    it("says who should be near, and who apart", function()
        local near, apart = { "my-db@zone", "cache:30" }, { "web", "tier=batch,team=x@rack:80" }
        local placement = build({ near = near, apart = apart }).placement
        assert.are.same({
            { workload = "my-db", by = "zone" }, { workload = "cache", weight = 30 },
        }, placement.affinity)
        assert.are.same({
            { workload = "web" }, { labels = { tier = "batch", team = "x" }, by = "rack", weight = 80 },
        }, placement.anti_affinity)
        assert.matches("takes NAME", refusal { near = { "@zone" } })
        assert.matches("takes NAME", refusal { apart = { "a=b,c" } })
    end)

    it("spreads, and says where else it may be", function()
        assert.are.same({ by = "zone" }, build({ spread = "zone" }).placement.spread)
        assert.are.same({ by = "node", max_skew = 1 }, build({ spread = "node:1" }).placement.spread)
        assert.are.same({ pool = "lab", architecture = "arm64", runtime = "runsc" },
            build({ pool = "lab", arch = "arm64", runtime = "runsc" }).placement)
    end)
end)
