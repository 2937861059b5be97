-- Telecom operator: neither packed nor spread. Each node should run at 70 percent; below it the next instance is
-- welcome, above it ever less so (a logistic curve), because voice traffic doubles when there is news.

local TARGET, STEEPNESS = 0.70, 18

local function logistic(x)
    return 1 / (1 + math.exp(-x))
end

local function utilisation(node, workload)
    local cpu = node.cpu > 0 and (node.cpu - node.free_cpu + workload.cpu) / node.cpu or 1
    local memory = node.memory > 0 and (node.memory - node.free_memory + workload.memory) / node.memory or 1
    return math.max(cpu, memory)
end

function filter(node, workload)
    local u = utilisation(node, workload)
    if workload.priority < 70 and u > 0.9 then
        return false, ("would run at %.0f %%"):format(u * 100)
    end
    return true
end

function score(node, workload)
    local u = utilisation(node, workload)
    local below = u / TARGET                                   -- grows towards the target
    local above = 1 - logistic(STEEPNESS * (u - TARGET - 0.1)) -- and falls steeply behind it
    return 1000 * math.min(below, 1) * above
end

function test_shape_of_the_curve()
    local w = workload { cpu = 0, memory = 0 }
    local function at(u) return score(node { cpu = 100, free_cpu = 100 - u, memory = 1, free_memory = 1 }, w) end
    assert(at(70) > at(60) and at(60) > at(30) and at(70) > at(80) and at(80) > at(95))
    assert(math.abs(at(80) - 500) < 1e-6)
    assert(at(0) == 0)
end

function test_emergencies_may_fill_a_node()
    local n = node { cpu = 10, free_cpu = 1, memory = 1, free_memory = 1 }
    local ok, why = filter(n, workload { cpu = 0.5, memory = 0, priority = 50 })
    assert(not ok and why == "would run at 95 %", why)
    assert(filter(n, workload { cpu = 0.5, memory = 0, priority = 70 }))
end
