-- Computer rooms of a polytechnic, where everything is in the host name (r214-pc07 stands in room 214, seat 7).
-- During an exam a room is shut, which the caretaker says in a label of the workloads that must not go there.

local SERVER_ROOM = "001"

function filter(node, workload)
    local room, seat = node.name:match("^r(%d%d%d)%-pc(%d+)$")
    if not room then
        return false, "has a name that tells no room: " .. node.name
    end
    if room == workload.labels["not-in-room"] then
        return false, "stands in room " .. room .. ", where an exam is written"
    end
    if tonumber(seat) == 1 and workload.kind == "task" then
        return false, "is the lecturer's"
    end
    return true
end

function score(node)
    local s = node.free_cpu
    if node.name:sub(2, 4) == SERVER_ROOM then
        s = s + 50
    end
    return s - 2 * node.allocations
end

function test_rooms()
    assert(filter(node { name = "r214-pc07" }, workload { labels = {} }))
    local ok, why = filter(node { name = "r214-pc07" }, workload { labels = { ["not-in-room"] = "214" } })
    assert(not ok and why == "stands in room 214, where an exam is written")
    ok, why = filter(node { name = "printer" }, workload {})
    assert(not ok and why == "has a name that tells no room: printer")
end

function test_the_lecturer_and_the_servers()
    assert(not filter(node { name = "r110-pc01" }, workload { kind = "task" }))
    assert(score(node { name = "r001-pc02", free_cpu = 3, allocations = 4 }) == 45)
    assert(score(node { name = "r110-pc02", free_cpu = 3, allocations = 1 }) == 1)
end
