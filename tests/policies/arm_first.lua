-- Hosting company whose arm64 machines cost 40 percent less to run. Images that are built for both go there;
-- what says nothing is taken to be amd64, and only native builds may ask for either by name.

local COST = { arm64 = 0.6, amd64 = 1.0, riscv64 = 0.4 }

local function runs_on(workload, architecture)
    local wanted = workload.labels.arch or "amd64"
    if wanted == "any" or wanted == "multi" then
        return architecture == "amd64" or architecture == "arm64"
    end
    return wanted == architecture
end

function filter(node, workload)
    if not runs_on(workload, node.architecture) then
        return false, "is " .. node.architecture
    end
    return node.healthy, "is not healthy"
end

function score(node, workload)
    local cost = COST[node.architecture] or 1
    local cpus = workload.cpu > 0 and workload.cpu or 0.1
    -- what it would cost here, then the emptier one
    return -1000 * cost * cpus + node.free_cpu
end

function test_both_architectures()
    local any = workload { labels = { arch = "multi" }, cpu = 1 }
    local arm, amd = node { architecture = "arm64" }, node { architecture = "amd64" }
    assert(filter(arm, any) and filter(amd, any))
    assert(score(arm, any) - score(amd, any) == 400)
end

function test_amd64_unless_said_otherwise()
    local ok, why = filter(node { architecture = "arm64" }, workload {})
    assert(not ok and why == "is arm64")
    assert(not filter(node { healthy = false, architecture = "amd64" }, workload {}))
    assert(score(node { architecture = "amd64", free_cpu = 3 }, workload { cpu = 2 }) == -1997)
    assert(filter(node { architecture = "riscv64" }, workload { labels = { arch = "riscv64" } }))
end
