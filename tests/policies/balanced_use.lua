-- Bank's private cloud: uses processors, memory and disk of a node evenly (the smallest spread between the three
-- after placement), the way its previous scheduler did, so that capacity reports stay comparable.

local function fraction(used, total)
  if total == 0 then return 1.0 end
  local f = used / total
  if f > 1 then f = 1.0 elseif f < 0 then f = 0.0 end
  return f
end

local function deviation(x, y, z)
  local mean = (x + y + z) / 3
  local variance = ((x - mean) ^ 2 + (y - mean) ^ 2 + (z - mean) ^ 2) / 3
  return variance ^ 0.5
end

function filter(node, workload)
  local tier = workload.labels.tier or "standard"
  if tier == "core" and node.labels.tier ~= "core" then
    return false, "is not certified for core banking"
  end
  return node.healthy and not node.on_battery, "has lost its mains or its link"
end

function score(node, workload)
  local cpu = fraction(node.cpu - node.free_cpu + workload.cpu, node.cpu)
  local memory = fraction(node.memory - node.free_memory + workload.memory, node.memory)
  local disk = fraction(node.disk - node.free_disk + workload.disk, node.disk)
  return math.floor(100 * (1 - deviation(cpu, memory, disk)) + 0.5)
end

function test_even_use_is_best()
  local w = workload { cpu = 1, memory = 100, disk = 100 }
  local even = { cpu = 2, free_cpu = 2, memory = 200, free_memory = 200, disk = 200, free_disk = 200 }
  assert(score(node(even), w) == 100)
  even.free_disk = 100
  assert(score(node(even), w) == 76)
end

function test_core_banking_and_mains()
  local core = workload { labels = { tier = "core" } }
  assert(not filter(node { on_battery = false }, core))
  assert(filter(node { on_battery = false, labels = { tier = "core" } }, core))
  local ok, why = filter(node { on_battery = true }, workload {})
  assert(ok == false and why == "has lost its mains or its link")
end
