-- Home lab with three mini PCs and one old two-socket server that eats 180 W. Wanted: everything on the small
-- boxes while it fits, the big one only when nothing else is left, and then as few machines awake as possible.

local POWER = { low = 0, medium = 150, high = 600 }

local function used(free, total)
  if total <= 0 then return 1 end
  return 1 - free / total
end

function filter(node, workload)
  if not node.healthy then return false, "is down" end
  if node.labels.power == "high" and workload.kind == "task" and workload.priority < 50 then
    return false, "the big server is not woken up for background tasks"
  end
  return true
end

function score(node)
  local penalty = POWER[node.labels.power or "medium"] or 150
  local s = 200 * used(node.free_cpu, node.cpu) + 200 * used(node.free_memory, node.memory)
  -- an empty machine may as well stay asleep
  if node.allocations == 0 then s = s - 100 end
  return s - penalty
end

function test_small_boxes_come_first()
  local service = workload { kind = "service" }
  local mini = node { labels = { power = "low" }, free_cpu = 2, cpu = 4 }
  local server = node { labels = { power = "high" }, free_cpu = 2, cpu = 4 }
  assert(filter(server, service) and filter(mini, service))
  assert(score(mini, service) - score(server, service) == 600)
end

function test_background_tasks_do_not_wake_the_server()
  local ok, why = filter(node { labels = { power = "high" } }, workload { kind = "task", priority = 10 })
  assert(not ok and why == "the big server is not woken up for background tasks")
end

function test_fuller_is_better_and_empty_may_sleep()
  local n = { labels = {}, cpu = 4, free_cpu = 1, memory = 400, free_memory = 200, allocations = 2 }
  assert(score(node(n)) == 150 + 100 - 150)
  n.allocations = 0
  assert(score(node(n)) == 0)
  assert(not filter(node { healthy = false }, workload { kind = "service" }))
  assert(filter(node { labels = { power = "low" } }, workload { kind = "task", priority = 10 }))
end
