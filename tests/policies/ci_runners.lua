-- CI for a game studio: thousands of short tasks a day. Where the image is the build starts at once; pulling
-- 20 GiB of engine takes ten minutes, so it is worth nearly any other disadvantage, but not a queue.

local SLOTS_PER_CPU = 2
local RESERVED_CPU = 1.0 -- for the agent, the cache daemon and ssh

local function slots(node)
  return math.floor(math.max(node.cpu - RESERVED_CPU, 0) * SLOTS_PER_CPU)
end

function filter(node, workload)
  if workload.kind ~= "task" then
    return false, "runners run tasks, not services"
  elseif node.labels.runner ~= "yes" then
    return false, "is no runner"
  elseif node.allocations >= slots(node) then
    return false, ("all %d slots are taken"):format(slots(node))
  end
  return true
end

function score(node, workload)
  local free = slots(node) - node.allocations
  local s = node.has_image and 1000 or 0
  s = s + 10 * math.min(free, 20)
  if workload.priority >= 80 then
    -- a release build: the fastest machine there is
    s = s + 25 * node.cpu
  end
  return s
end

function test_slots()
  local busy = node { labels = { runner = "yes" }, cpu = 4, allocations = 6 }
  local ok, why = filter(busy, workload { kind = "task" })
  assert(not ok and why == "all 6 slots are taken", why)
  assert(filter(node { labels = { runner = "yes" }, cpu = 4, allocations = 5 }, workload { kind = "task" }))
end

function test_runners_are_for_tasks()
  local ok, why = filter(node { labels = { runner = "yes" } }, workload { kind = "service" })
  assert(not ok and why == "runners run tasks, not services")
  ok, why = filter(node { labels = {} }, workload { kind = "task" })
  assert(not ok and why == "is no runner")
end

function test_the_image_decides()
  local build = workload { kind = "task", priority = 50 }
  assert(score(node { cpu = 4, allocations = 5, has_image = true }, build) == 1010)
  assert(score(node { cpu = 64, allocations = 0, has_image = false }, build) == 200)
end

function test_release_builds_want_fast_machines()
  local n = node { cpu = 8, allocations = 0, has_image = false }
  assert(score(n, workload { kind = "task", priority = 90 }) == 340)
end
