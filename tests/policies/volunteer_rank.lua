-- Citizen-science network of machines nobody controls. What a node has proven (its rank) decides what it may do;
-- newcomers get small tasks only; replicas of one workload never meet on a node.

local function tier(rank)
  if rank >= 800 then
    return "trusted", 3
  elseif rank >= 550 then
    return "known", 2
  elseif rank >= 300 then
    return "new", 1
  end
  return "bad", 0
end

local NEEDS = { critical = 3, normal = 2, redundant = 1 }

function filter(node, workload)
  local name, level = tier(node.rank)
  local needed = NEEDS[workload.labels.trust or "normal"] or 3
  if level < needed then
    return false, string.format("is %s (rank %d); level %d of %d", name, node.rank, level, needed)
  end
  if level == 1 and (workload.cpu > 1 or workload.memory > 512 << 20) then
    return false, "is new: one processor and 512 MiB at most"
  end
  if node.workload_instances ~= 0 then
    return false, "computes a replica of it already"
  end
  return true
end

function score(node, workload)
  local _, level = tier(node.rank)
  local surplus = level - (NEEDS[workload.labels.trust or "normal"] or 3)
  -- do not waste the trusted ones on what anybody may do
  return -100 * surplus + node.rank % 100 / 10
end

function test_tiers()
  local ok, why = filter(node { rank = 310 }, workload {})
  assert(not ok and why == "is new (rank 310); level 1 of 2", why)
  local easy = workload { labels = { trust = "redundant" }, cpu = 2 }
  ok, why = filter(node { rank = 310 }, easy)
  assert(not ok and why == "is new: one processor and 512 MiB at most")
  assert(filter(node { rank = 600, workload_instances = 0 }, easy))
  assert(not filter(node { rank = 600, workload_instances = 1 }, easy))
end

function test_trust_is_not_wasted()
  local w = workload { labels = { trust = "redundant" } }
  assert(score(node { rank = 350 }, w) == 5 and score(node { rank = 850 }, w) == -195)
end
