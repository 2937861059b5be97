-- Where an instance of a workload runs. Change it and save: the next decision follows the new text.
--
-- filter says which nodes may take it, score which of these is best (the highest wins). What a node and a
-- workload have is listed in docs/lua/api.md; your editor knows it from lua/api/lattice.d.lua. What you write is
-- compiled, where it can be: `lattice policy check FILE` says so.

function filter(node, workload)
    if not node.healthy then
        return false, "is not healthy"
    end
    if node.free_cpu < workload.cpu then
        return false, ("has %.2f processors free, needs %.2f"):format(node.free_cpu, workload.cpu)
    end
    if node.free_memory < workload.memory then
        local free, needed = node.free_memory // 2^20, workload.memory // 2^20
        return false, ("has %d MiB of memory free, needs %d MiB"):format(free, needed)
    end
    return true
end

-- Spreads load: the emptier a node, the better (0 to 1000); but any node without an instance of the workload
-- comes before one that has one.
function score(node)
    local free_cpu = node.cpu > 0 and node.free_cpu / node.cpu or 0.0
    local free_memory = node.memory > 0 and node.free_memory / node.memory or 0.0
    return 500 * free_cpu + 500 * free_memory - 1000 * node.workload_instances
end

-- Tests run whenever the file is loaded; one that fails keeps it from taking effect.

local function refuses(given, reason)
    local ok, why = filter(node(given), workload { cpu = 1.5, memory = 1 << 30 })
    assert(not ok and why == reason, why)
end

function test_a_node_that_is_ill_or_full_is_refused()
    refuses({ healthy = false }, "is not healthy")
    refuses({ free_cpu = 1.25 }, "has 1.25 processors free, needs 1.50")
    refuses({ free_memory = 512 << 20 }, "has 512 MiB of memory free, needs 1024 MiB")
end

function test_what_just_fits_is_taken()
    assert(filter(node { free_cpu = 1.5, free_memory = 1 << 30 }, workload { cpu = 1.5, memory = 1 << 30 }))
end

function test_the_emptier_node_is_better()
    local empty = node { cpu = 4, free_cpu = 4, memory = 8 << 30, free_memory = 8 << 30 }
    local half = node { cpu = 4, free_cpu = 2, memory = 8 << 30, free_memory = 8 << 30 }
    assert(score(empty) == 1000 and score(half) == 750)
end

function test_instances_are_kept_apart_before_room_counts()
    assert(score(node { free_cpu = 0, free_memory = 0 }) > score(node { workload_instances = 1 }))
end

function test_a_node_that_tells_no_capacity_scores_nothing()
    assert(score(node { cpu = 0, free_cpu = 0, memory = 0, free_memory = 0 }) == 0)
end
