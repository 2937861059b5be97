-- Platform team that comes from Kubernetes and misses taints. A node carries them as labels, a workload the
-- tolerations under the same name; "hard" refuses, "soft" costs points, and a dedicated node is somebody's own.

local TAINTS = { "maintenance", "experimental", "noisy", "slow-disk" }

function filter(node, workload)
  for _, name in ipairs(TAINTS) do
    if node.labels[name] == "hard" and workload.labels[name] ~= "ok" then
      return false, "is tainted: " .. name
    end
  end
  local owner = node.labels.dedicated
  if owner and owner ~= workload.project then
    return false, "is dedicated to " .. owner
  end
  return true
end

function score(node, workload)
  local s = 100
  for _, name in ipairs(TAINTS) do
    local taint = node.labels[name]
    if taint == "soft" and workload.labels[name] ~= "ok" then
      s = s - 30
    end
  end
  if node.labels.dedicated == workload.project then s = s + 500 end
  return s - node.allocations
end

function test_hard_taints_refuse_unless_tolerated()
  local n = node { labels = { noisy = "hard" } }
  local ok, why = filter(n, workload {})
  assert(not ok and why == "is tainted: noisy")
  assert(filter(n, workload { labels = { noisy = "ok" } }))
end

function test_soft_taints_add_up()
  local n = node { labels = { noisy = "soft", ["slow-disk"] = "soft" }, allocations = 5 }
  assert(score(n, workload {}) == 35)
  assert(score(n, workload { labels = { noisy = "ok" } }) == 65)
end

function test_dedicated()
  local n = node { labels = { dedicated = "billing" }, allocations = 0 }
  assert(select(2, filter(n, workload { project = "web" })) == "is dedicated to billing")
  assert(score(n, workload { project = "billing" }) == 600)
end
