-- Law firm's backups: a copy is never at the site of the original, the third copy is off the mains of both, disks
-- are cheap and slow, and what counts is how many TiB are left.

local TiB = 1 << 40
local SITES = { "office", "cellar", "notary" }

local function known(site)
  local found = false
  for _, name in ipairs(SITES) do
    if name == site then
      found = true
      break
    end
  end
  return found
end

function filter(node, workload)
  local site = node.labels.site
  if not known(site) then
    return false, "stands at no site of ours"
  elseif site == workload.labels["origin"] or site == workload.labels["second-copy"] then
    return false, "stands where the original or its other copy is (" .. site .. ")"
  elseif node.free_disk < workload.disk + workload.disk // 5 then
    return false, "has too little room for the copy and a fifth of it"
  end
  return not node.on_battery
end

function score(node)
  local tib = node.free_disk / TiB
  local s = math.min(tib, 50)
  if node.labels.disk == "nvme" then
    s = s - 20 -- too good for this
  end
  if node.free_disk * 10 < node.disk then
    s = s - 100
  end
  return s
end

function test_sites()
  local copy = workload { labels = { origin = "office" }, disk = 0 }
  local function at(site) return filter(node { labels = { site = site }, on_battery = false }, copy) end
  assert(at "cellar" and at "notary" and not at "office" and not at "moon" and not at(nil))
end

function test_room()
  local n = node { labels = { site = "cellar" }, disk = 40 * TiB, free_disk = 12 * TiB, on_battery = false }
  assert(filter(n, workload { disk = 10 * TiB }) and not filter(n, workload { disk = 10 * TiB + 5 }))
  assert(score(n) == 12)
  assert(score(node { disk = 40 * TiB, free_disk = 3 * TiB }) == -97)
end
