-- SaaS company in three availability zones. Instances of a service stay apart, home zone first when latency to
-- the database matters, and what only says "spread" does not care where.

local FAR = 2
local DISTANCE = {
    ["eu-1a"] = { ["eu-1a"] = 0, ["eu-1b"] = 1, ["eu-1c"] = 1 },
    ["eu-1b"] = { ["eu-1a"] = 1, ["eu-1b"] = 0, ["eu-1c"] = 1 },
    ["eu-1c"] = { ["eu-1a"] = 1, ["eu-1b"] = 1, ["eu-1c"] = 0 },
}

local function distance(node, workload)
    local home = workload.labels.home
    if not home then return 0 end
    local row = DISTANCE[home]
    return row and row[node.labels.zone or "?"] or FAR
end

function filter(node, workload)
    if not node.labels.zone then return false, "tells no zone" end
    if workload.labels.spread == "strict" and node.workload_instances > 0 then
        return false, "has an instance already, and they have to be apart"
    end
    return true
end

function score(node, workload)
    local room = node.cpu > 0 and (node.free_cpu - workload.cpu) / node.cpu or 0
    return 100 * room - 1000 * node.workload_instances - 50 * distance(node, workload)
end

function test_home_comes_first()
    local w = workload { labels = { home = "eu-1b" }, cpu = 1 }
    local function at(zone) return score(node { labels = { zone = zone }, cpu = 4, free_cpu = 3 }, w) end
    assert(at "eu-1b" == 50 and at "eu-1c" == 0 and at "us-2" == -50)
end

function test_strictly_apart()
    local mate = node { labels = { zone = "eu-1a" }, workload_instances = 1 }
    assert(filter(mate, workload {}))
    local ok, why = filter(mate, workload { labels = { spread = "strict" } })
    assert(not ok and why == "has an instance already, and they have to be apart")
    assert(not filter(node { labels = {} }, workload {}))
end
