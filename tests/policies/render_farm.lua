-- Animation studio. Frames that fit into the memory of a card go to GPU nodes, all others to many-core machines;
-- the renderer is licensed for some nodes only; the supervisor's shots (high priority) get the best there is.

local GB = 1000 ^ 3

local function power(node)
  -- twice the cores are not twice as fast
  local p = math.sqrt(math.max(node.free_cpu, 0))
  if node.free_gpus > 0 then
    p = p + 4 * math.log(1 + node.gpu_memory / GB, 2)
  end
  return p
end

function filter(node, workload)
  local licence = workload.labels.renderer
  if licence ~= nil and node.labels.licence ~= licence and node.labels.licence ~= "all" then
    return false, "has no licence for " .. licence
  end
  if workload.gpu_memory > 0 and node.gpu_memory < workload.gpu_memory then
    local lacks = workload.gpu_memory - node.gpu_memory
    return false, "lacks " .. lacks // 1000000 .. " MB of GPU memory"
  end
  return true
end

function score(node, workload)
  local p = power(node)
  if workload.priority > 75 then
    return p
  elseif workload.priority > 25 then
    return -math.abs(p - 12)
  else
    return -p
  end
end

function test_licences()
  local frame = workload { labels = { renderer = "arnold" }, gpu_memory = 0 }
  assert(filter(node { labels = { licence = "arnold" } }, frame))
  assert(filter(node { labels = { licence = "all" } }, frame))
  local ok, why = filter(node { labels = {} }, frame)
  assert(not ok and why == "has no licence for arnold")
  ok, why = filter(node { gpu_memory = 8000000000 }, workload { gpu_memory = 10000000000 })
  assert(not ok and why == "lacks 2000 MB of GPU memory")
  assert(filter(node { gpu_memory = 24000000000 }, workload { gpu_memory = 10000000000 }))
end

function test_priority_chooses_the_machine()
  local small = node { free_cpu = 4, free_gpus = 0 }
  local middle = node { free_cpu = 144, free_gpus = 0 }
  local big = node { free_cpu = 64, free_gpus = 1, gpu_memory = 31000000000 }
  local function best(priority)
    local w = workload { priority = priority }
    local s, m, b = score(small, w), score(middle, w), score(big, w)
    return s > m and s > b and "small" or m > b and "middle" or "big"
  end
  assert(math.abs(score(big, workload { priority = 90 }) - 28) < 1e-9)
  assert(best(90) == "big" and best(50) == "middle" and best(10) == "small")
end
