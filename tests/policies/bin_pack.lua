-- Start-up that pays for virtual machines by the hour: fill those that are there to the brim, so that the
-- autoscaler can give empty ones back.

function filter(node)
  if node.labels.draining == "yes" then
    return false, "is about to be given back"
  end
  return node.healthy
end

function score(node, workload)
  local cpu_left = node.free_cpu - workload.cpu
  local memory_left = node.free_memory - workload.memory
  local cpu = node.cpu > 0 and 1 - cpu_left / node.cpu or 0
  local memory = node.memory > 0 and 1 - memory_left / node.memory or 0
  local fullest = math.max(cpu, memory)
  return node.allocations == 0 and fullest - 1 or fullest
end

function test_fullest_wins()
  local w = workload { cpu = 1, memory = 0 }
  local full = node { cpu = 4, free_cpu = 1, memory = 8, free_memory = 8, allocations = 3 }
  local half = node { cpu = 4, free_cpu = 3, memory = 8, free_memory = 8, allocations = 1 }
  local empty = node { cpu = 4, free_cpu = 4, memory = 8, free_memory = 8, allocations = 0 }
  assert(score(full, w) == 1 and score(half, w) == 0.5 and score(empty, w) == -0.75)
end

function test_memory_counts_as_well()
  local w = workload { cpu = 0, memory = 100 }
  assert(score(node { cpu = 4, free_cpu = 4, memory = 400, free_memory = 200, allocations = 1 }, w) == 0.75)
end

function test_draining()
  assert(not filter(node { labels = { draining = "yes" } }, workload {}))
  assert(filter(node {}, workload {}) == true)
end
