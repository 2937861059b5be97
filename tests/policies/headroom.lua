-- Operator who was paged once too often because a node swapped: each node keeps memory and a processor share for
-- itself, more on larger ones, and what is over 90 percent of the rest gets nothing new.

local MiB = 1 << 20
local MIN_RESERVE = 512 * MiB
local MAX_RESERVE = 8192 * MiB

local function clamp(x, low, high)
    if x < low then return low end
    if x > high then return high end
    return x
end

local function reserve(node)
    return clamp(node.memory // 16, MIN_RESERVE, MAX_RESERVE)
end

local function usable(node)
    return node.memory - reserve(node)
end

function filter(node, workload)
    local used = node.memory - node.free_memory
    local after = used + workload.memory
    local limit = usable(node) * 9 // 10
    if after > limit then
        return false, "would use " .. after // MiB .. " MiB of the " .. limit // MiB .. " MiB it may"
    end
    if node.free_cpu - workload.cpu < 0.05 * node.cpu then
        return false, "would have less than 5 % of its processors free"
    end
    return true
end

function score(node, workload)
    local left = usable(node) - (node.memory - node.free_memory) - workload.memory
    return clamp(left // (64 * MiB), 0, 1000) + clamp(node.free_cpu, 0, 64)
end

function test_memory_reserve()
    local n = node { memory = 4096 * MiB, free_memory = 2096 * MiB }
    assert(filter(n, workload { memory = 1225 * MiB }))
    local ok, why = filter(n, workload { memory = 1226 * MiB })
    assert(not ok and why == "would use 3226 MiB of the 3225 MiB it may", why)
end

function test_processor_reserve()
    local n = node { cpu = 8, free_cpu = 1, memory = 8192 * MiB, free_memory = 8192 * MiB }
    local ok, why = filter(n, workload { cpu = 0.75 })
    assert(not ok and why == "would have less than 5 % of its processors free")
end

function test_score()
    local n = node { memory = 16384 * MiB, free_memory = 8192 * MiB, cpu = 8, free_cpu = 3 }
    assert(score(n, workload { memory = 1024 * MiB }) == 96 + 3)
end

function test_score_is_bounded()
    assert(score(node { memory = 1 << 42, free_memory = 1 << 42, cpu = 256, free_cpu = 256 }, workload {}) == 1064)
end
