-- Video streaming from small edge sites. Bandwidth is what runs out, so it is what is scored; a stream goes to the
-- viewer's region, then to a neighbour, and never over an ocean.

local MBIT = 1000 * 1000
local HEADROOM = 200 * MBIT

local NEIGHBOURS = {
    europe = { europe = 1.0, africa = 0.6, asia = 0.2 },
    america = { america = 1.0 },
    asia = { asia = 1.0, europe = 0.2, oceania = 0.7 },
}

local function closeness(node, workload)
    local near = NEIGHBOURS[workload.labels.region or "europe"]
    if not near then return 0 end
    return near[node.labels.region or "nowhere"] or 0
end

function filter(node, workload)
    local closest = closeness(node, workload)
    if closest <= 0 then
        return false, "is in " .. (node.labels.region or "an unknown region")
    end
    if node.free_bandwidth - HEADROOM < workload.bandwidth then
        return false, ("has %d Mbit/s free, needs %d and %d in reserve"):format(
            node.free_bandwidth // MBIT, workload.bandwidth // MBIT, HEADROOM // MBIT)
    end
    return true
end

function score(node, workload)
    local share = 0.0
    if node.bandwidth > 0 then
        share = (node.free_bandwidth - workload.bandwidth) / node.bandwidth
    end
    return closeness(node, workload) * (100 + 100 * math.sqrt(math.max(0, share)))
end

function test_regions()
    local stream = workload { labels = { region = "asia" }, bandwidth = 0 }
    assert(not filter(node { labels = { region = "america" }, free_bandwidth = 1000 * MBIT }, stream))
    local _, why = filter(node { labels = {}, free_bandwidth = 1000 * MBIT }, stream)
    assert(why == "is in an unknown region")
end

function test_bandwidth()
    local n = node { labels = { region = "europe" }, bandwidth = 1000 * MBIT, free_bandwidth = 300 * MBIT }
    local ok, why = filter(n, workload { bandwidth = 150 * MBIT })
    assert(not ok and why == "has 300 Mbit/s free, needs 150 and 200 in reserve", why)
    assert(score(n, workload { bandwidth = 50 * MBIT }) == 150)
end
