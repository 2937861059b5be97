-- Workloads whose name begins with "home-" stay on nodes with the label zone=home; all others may run anywhere.
-- Of the nodes that may, the one with the most free memory is taken.

local HOME_PREFIX <const> = "home-"

local function must_stay_home(workload)
    return workload.name:sub(1, #HOME_PREFIX) == HOME_PREFIX
end

function filter(node, workload)
    if not node.healthy then return false, "is not healthy" end
    if must_stay_home(workload) and node.labels.zone ~= "home" then
        return false, "is not in the zone home"
    end
    return true
end

function score(node)
    return node.free_memory
end
