-- Managed databases. The data decides: where the volume is the instance goes back to, never onto a spinning disk
-- in production, and a disk is not filled beyond 85 percent because the vacuum needs room.

local CLASS = { nvme = 300, ssd = 150, hdd = -200 }
local GiB = 1 << 30

local function is_production(workload)
  local stage = workload.labels.stage
  return stage == "production" or stage == nil
end

function filter(node, workload)
  local class = node.labels.disk or "ssd"
  if class == "hdd" and is_production(workload) then
    return false, "has spinning disks, and this is production"
  end
  if node.has_data then return true end -- whatever else: its data is here

  local reserve = node.disk * 15 // 100
  local free = node.free_disk - reserve
  if free < workload.disk then
    return false, string.format("has %d GiB of disk left above its reserve, needs %d GiB",
      math.max(free, 0) // GiB, (workload.disk + GiB - 1) // GiB)
  end
  return true
end

function score(node)
  local s = CLASS[node.labels.disk or "ssd"] or 0
  if node.has_data then s = s + 10000 end
  local full = node.disk > 0 and (node.disk - node.free_disk) / node.disk or 1
  return s - 100 * full - 40 * node.allocations
end

function test_disk_reserve()
  local n = node { has_data = false, disk = 100 * GiB, free_disk = 35 * GiB }
  assert(filter(n, workload { disk = 20 * GiB }))
  local ok, why = filter(n, workload { disk = 20 * GiB + 1 })
  assert(not ok and why == "has 20 GiB of disk left above its reserve, needs 21 GiB", why)
end

function test_data_wins_and_spinning_disks_lose()
  local hdd = node { labels = { disk = "hdd" }, has_data = true }
  assert(not filter(hdd, workload {}))
  assert(filter(hdd, workload { labels = { stage = "test" } }))
  assert(score(hdd) > score(node { labels = { disk = "nvme" }, has_data = false }))
end

function test_score()
  local n = node { labels = { disk = "nvme" }, has_data = false, disk = 200, free_disk = 50, allocations = 2 }
  assert(score(n) == 300 - 75 - 80)
end
