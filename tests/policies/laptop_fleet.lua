-- A club that shares its members' laptops. They come and go: nothing on battery, nothing on a machine that
-- leaves soon, and whatever must stay up for days goes to those few that never leave.

local HOUR = 3600
local MIN_SERVICE = 6 * HOUR
local MIN_TASK = HOUR // 2

function filter(node, workload)
    if not node.healthy then
        return false, "lid is closed or engine is not running"
    end
    if node.on_battery then
        return false, "runs on battery"
    end

    local needed = workload.kind == "service" and MIN_SERVICE or MIN_TASK
    if node.available_seconds < needed then
        return false, string.format("leaves in %d minutes, needs %d", node.available_seconds // 60, needed // 60)
    end
    return true
end

function score(node, workload)
    -- Services: the longer the better, but a week is as good as forever. Tasks: use up the short windows.
    local hours = math.min(node.available_seconds, 168 * HOUR) / HOUR
    if workload.kind == "task" then
        hours = -hours
    end
    return 5 * hours + 0.1 * node.rank - 20 * node.allocations
end

function test_battery()
    local ok, why = filter(node { on_battery = true }, workload {})
    assert(ok == false and why == "runs on battery")
end

function test_a_service_needs_a_long_window_and_a_task_a_short_one()
    local leaving = node { on_battery = false, available_seconds = 2 * HOUR }
    local ok, why = filter(leaving, workload { kind = "service" })
    assert(not ok and why == "leaves in 120 minutes, needs 360", why)
    assert(filter(leaving, workload { kind = "task" }))
end

function test_tasks_take_the_short_windows()
    local short, always = node { available_seconds = HOUR }, node { available_seconds = math.maxinteger }
    assert(score(short, workload { kind = "task" }) > score(always, workload { kind = "task" }))
    assert(score(short, workload { kind = "service" }) < score(always, workload { kind = "service" }))
end

function test_score()
    local n = node { available_seconds = 200 * HOUR, rank = 600, allocations = 2 }
    assert(score(n, workload { kind = "service" }) == 840 + 60 - 40)
    assert(not filter(node { healthy = false, on_battery = false }, workload { kind = "task" }))
end
