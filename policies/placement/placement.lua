-- Where an instance of a workload runs. Change it and save: the next decision follows the new text.
--
-- filter says which nodes may take it, score which of these is best (the highest wins). What a node and a
-- workload have is listed in docs/lua/api.md; your editor knows it from lua/api/lattice.d.lua.

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
    local free_cpu = node.cpu > 0 and node.free_cpu / node.cpu or 0
    local free_memory = node.memory > 0 and node.free_memory / node.memory or 0
    return 500 * free_cpu + 500 * free_memory - 1000 * node.workload_instances
end
