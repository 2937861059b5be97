-- Web agency with one cluster for everything: production has its pool and may overflow into staging's, never the
-- other way, and previews of pull requests live on what is left over.

local RANK_OF_POOL = {
  production = { production = 100, staging = 20 },
  staging = { staging = 100 },
  preview = { staging = 10, leftover = 100 },
}

local function stage(workload)
  local s = workload.labels.stage
  if s == "production" or s == "staging" or s == "preview" then return s end
  return workload.priority >= 60 and "production" or "preview"
end

function filter(node, workload)
  local s = stage(workload)
  if not RANK_OF_POOL[s][node.pool] then
    return false, ("is in pool %s, which is not for %s"):format(node.pool, s)
  end
  if s == "preview" and node.allocations > 30 then return false, "is full of previews" end
  return true
end

function score(node, workload)
  local s = stage(workload)
  local points = RANK_OF_POOL[s][node.pool] or -1000
  local free = node.memory > 0 and node.free_memory / node.memory or 0
  if s == "preview" then
    points = points - 30 * free -- previews are packed
  else
    points = points + 30 * free -- the rest is spread
    points = points - 15 * node.workload_instances
  end
  return points
end

function test_pools()
  local prod, preview = workload { labels = { stage = "production" } }, workload { priority = 50 }
  assert(filter(node { pool = "production" }, prod) and filter(node { pool = "staging" }, prod))
  assert(select(2, filter(node { pool = "production" }, preview))
    == "is in pool production, which is not for preview")
  assert(not filter(node { pool = "leftover", allocations = 31 }, preview))
end

function test_spread_or_packed()
  local n = { pool = "staging", memory = 100, free_memory = 50, workload_instances = 1 }
  assert(score(node(n), workload { labels = { stage = "staging" } }) == 100)
  assert(score(node(n), workload { labels = { stage = "preview" } }) == -5)
end
