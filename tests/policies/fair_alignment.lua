-- Research group that packs jobs of very different shapes: takes the node whose free resources point the same way
-- as the request (the cosine of both), so that no node ends with memory left and no processor to use it.

local function norm(a, b, c)
    return math.sqrt(a * a + b * b + c * c)
end

function score(node, workload)
    if node.cpu == 0 or node.memory == 0 then return -1 end

    local fc, fm = node.free_cpu / node.cpu, node.free_memory / node.memory
    local fd = node.disk > 0 and node.free_disk / node.disk or 0
    local wc, wm = workload.cpu / node.cpu, workload.memory / node.memory
    local wd = node.disk > 0 and workload.disk / node.disk or 0

    local lengths = norm(fc, fm, fd) * norm(wc, wm, wd)
    if lengths <= 0 then
        return 0
    end
    local cosine = (fc * wc + fm * wm + fd * wd) / lengths
    -- among equal directions the fuller node
    return cosine - 0.05 * (fc + fm + fd) / 3
end

function test_direction()
    local memory_job = workload { cpu = 0, memory = 4, disk = 0 }
    local much_memory = node { cpu = 8, free_cpu = 1, memory = 8, free_memory = 8, free_disk = 0 }
    local much_cpu = node { cpu = 8, free_cpu = 8, memory = 8, free_memory = 4, free_disk = 0 }
    assert(score(much_memory, memory_job) > score(much_cpu, memory_job))
end

function test_nothing_asked_and_nothing_there()
    assert(score(node {}, workload { cpu = 0, memory = 0, disk = 0 }) == 0)
    assert(score(node { cpu = 0, memory = 0 }, workload {}) == -1)
end

function test_the_same_direction_is_one()
    local n = node { cpu = 8, free_cpu = 4, memory = 80, free_memory = 40, disk = 800, free_disk = 400 }
    assert(math.abs(score(n, workload { cpu = 1, memory = 10, disk = 100 }) - (1 - 0.025)) < 1e-12)
    assert(score(n, workload { cpu = 1, memory = 5, disk = 300 }) < 0.9)
end
