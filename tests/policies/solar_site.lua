-- Off-grid research station: solar by day, batteries by night. Instruments always run; everything else is worth
-- less the sooner the power of a node ends, with a half-life of two hours.

local HALF_LIFE = 2 * 60 * 60
local WATTS_PER_CPU = 6.5

function filter(node, workload)
    local essential = workload.labels.class == "instrument" or workload.priority >= 90
    if essential then
        return true
    end
    if node.on_battery and workload.cpu * WATTS_PER_CPU > 13 then
        return false, "is on battery, and this draws " .. workload.cpu * WATTS_PER_CPU .. " W"
    end
    if node.available_seconds < HALF_LIFE / 4 then
        return false, "has power for " .. node.available_seconds // 60 .. " minutes"
    end
    return true
end

function score(node, workload)
    local t = math.min(node.available_seconds, 86400)
    local decay = 1 - math.exp(-t * math.log(2) / HALF_LIFE)
    local s = 100 * decay
    if node.on_battery then s = s * 0.25 end
    if workload.labels.class == "instrument" and node.labels.site == "dome" then s = s + 1000 end
    return s - node.allocations
end

function test_battery_and_power()
    local w = workload { cpu = 3, priority = 50 }
    local ok, why = filter(node { on_battery = true, available_seconds = 50000 }, w)
    assert(not ok and why == "is on battery, and this draws 19.5 W", why)
    ok, why = filter(node { on_battery = false, available_seconds = 1200 }, w)
    assert(not ok and why == "has power for 20 minutes")
    assert(filter(node { on_battery = true, available_seconds = 1200 }, workload { cpu = 3, priority = 95 }))
end

function test_half_life()
    local s = score(node { on_battery = false, available_seconds = 7200, allocations = 0 }, workload {})
    assert(math.abs(s - 50) < 1e-9)
    s = score(node { on_battery = true, available_seconds = 7200, allocations = 2 }, workload {})
    assert(math.abs(s - 10.5) < 1e-9)
    local dome = node { on_battery = true, available_seconds = 7200, allocations = 0, labels = { site = "dome" } }
    assert(math.abs(score(dome, workload { labels = { class = "instrument" } }) - 1012.5) < 1e-9)
    assert(math.abs(score(dome, workload {}) - 12.5) < 1e-9)
end
