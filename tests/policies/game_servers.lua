-- Community that hosts game servers for friends. A tick must not stutter: few servers a node, fast cores first
-- (a label says the clock class), at most 60 percent of a node's processors, and the player's region.

local CLOCK = { fast = 3, normal = 2, slow = 1 }
local MAX_LOAD = 0.6

local function load_after(node, workload)
  return (node.cpu - node.free_cpu + workload.cpu) / node.cpu
end

function filter(node, workload)
  if node.cpu < 2 then return false, "has a single processor" end
  local load = load_after(node, workload)
  if load > MAX_LOAD then
    return false, string.format("would be %d %% busy, at most %d %% are good for a tick",
      math.ceil(load * 100), MAX_LOAD * 100 // 1)
  end
  if node.workload_instances >= 2 then return false, "runs two of these already" end
  local wanted = workload.labels.region
  return wanted == nil or wanted == node.labels.region or node.labels.anycast == "yes",
    "is too far from the players"
end

function score(node, workload)
  local clock = CLOCK[node.labels.clock or "normal"] or 1
  local calm = 1 - load_after(node, workload)
  local here = node.labels.region == workload.labels.region and 1 or 0
  return clock * 40 + calm * 30 + here * 25
end

function test_load()
  local ok, why = filter(node { cpu = 4, free_cpu = 2 }, workload { cpu = 0.5 })
  assert(not ok and why == "would be 63 % busy, at most 60 % are good for a tick", why)
  assert(filter(node { cpu = 4, free_cpu = 2 }, workload { cpu = 0.25 }))
end

function test_region_and_clock()
  local w = workload { labels = { region = "eu" }, cpu = 0 }
  local eu = node { labels = { region = "eu", clock = "fast" }, cpu = 4, free_cpu = 4 }
  assert(filter(eu, w) and score(eu, w) == 175)
  local us = node { labels = { region = "us" }, cpu = 4, free_cpu = 4 }
  local ok, why = filter(us, w)
  assert(not ok and why == "is too far from the players" and score(us, w) == 110)
end
