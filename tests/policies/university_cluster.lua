-- University computing centre. Institutes bought some nodes: those are theirs first and everybody's when idle. A
-- project of another institute may use them for tasks of low priority only, and not more than two at a time.

local SHARES = { physics = 40, biology = 25, informatics = 20, history = 5 }
local DEFAULT_SHARE = 10

local function share_of(name)
  return SHARES[name] or DEFAULT_SHARE
end

local function own(node, workload)
  return node.labels.institute == workload.labels.institute
end

function filter(node, workload)
  if not node.labels.institute or own(node, workload) then
    return true
  end
  if workload.kind ~= "task" then
    return false, "belongs to " .. node.labels.institute .. " and takes only tasks of others"
  end
  if workload.priority > 30 then
    return false, "belongs to " .. node.labels.institute .. "; guests have priority 30 or less, not "
      .. workload.priority
  end
  return node.allocations < 2, "has two guests already"
end

function score(node, workload)
  local base
  if own(node, workload) and node.labels.institute then
    base = 300
  elseif not node.labels.institute then
    base = 200 + share_of(workload.labels.institute)
  else
    base = 0 - share_of(node.labels.institute)
  end
  return base + 50 * node.free_cpu / math.max(node.cpu, 1)
end

function test_guests()
  local theirs = node { labels = { institute = "physics" }, allocations = 0 }
  local guest = { institute = "history" }
  assert(not filter(theirs, workload { kind = "service", labels = guest }))
  local _, why = filter(theirs, workload { kind = "task", priority = 50, labels = guest })
  assert(why == "belongs to physics; guests have priority 30 or less, not 50", why)
  assert(filter(theirs, workload { kind = "task", priority = 20, labels = guest }))
end

function test_own_before_common_before_foreign()
  local w = workload { labels = { institute = "biology" } }
  local function at(institute) return score(node { cpu = 4, free_cpu = 4, labels = { institute = institute } }, w) end
  assert(at "biology" == 350 and at(nil) == 275 and at "physics" == 10)
end
