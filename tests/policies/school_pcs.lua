-- Primary school with donated computers. Lessons come first: while the class sits at a machine (its hours are
-- over) it takes nothing; old ones get old software; the teacher's server does what must not fail.

local OLD = 2 * 1024 * 1024 * 1024 -- bytes of memory: the donated ones have no more

function filter(node, workload)
    if node.labels.class and node.available_seconds == 0 then
        return false, "class " .. node.labels.class .. " is at work there"
    end
    local light = workload.labels.light == "yes" or workload.memory <= 256 * 1024 * 1024
    if node.memory <= OLD and not light then
        return false, "is too old for it"
    end
    if node.memory <= OLD and node.allocations >= 1 then
        return false, "is old and has something to do"
    end
    return node.healthy
end

function score(node, workload)
    local must_not_fail = workload.kind == "service" and workload.count == 1
    if node.labels.role == "server" then
        if must_not_fail then return 100 end
        return -10
    end
    local age = node.memory <= OLD and 1 or 0
    return 10 - 5 * age + (node.architecture == "amd64" and 1 or 0)
end

function test_lessons()
    local ok, why = filter(node { labels = { class = "3b" }, available_seconds = 0 }, workload {})
    assert(not ok and why == "class 3b is at work there")
    assert(filter(node { labels = {}, available_seconds = 0 }, workload {}))
end

function test_old_machines()
    local old = node { memory = OLD, allocations = 0 }
    assert(filter(old, workload { memory = 1 << 28 }))
    assert(not filter(old, workload { memory = (1 << 28) + 1 }))
    assert(filter(old, workload { memory = 1 << 29, labels = { light = "yes" } }))
    assert(not filter(node { memory = OLD, allocations = 1 }, workload { memory = 1 }))
end

function test_the_server()
    local server = node { labels = { role = "server" } }
    assert(score(server, workload { kind = "service", count = 1 }) == 100)
    assert(score(server, workload { kind = "task" }) == -10)
    assert(score(node { memory = OLD, architecture = "amd64" }, workload {}) == 6)
end
