-- Engineering office: two hundred desktops compute at night, while nobody sits at them. Batch only, never more
-- than three jobs on a desk, and long jobs (they say so in a label) only where the night is still long.

local LENGTHS = { short = 20 * 60, medium = 2 * 3600, long = 8 * 3600 }
local MAX_JOBS = 3

local function seconds_of(workload)
  return LENGTHS[workload.labels.length] or LENGTHS.medium
end

function filter(node, workload)
  if node.labels.role == "desktop" then
    if workload.kind ~= "task" then return false, "desktops take tasks only" end
    if node.allocations >= MAX_JOBS then return false, "has " .. node.allocations .. " jobs already" end
  end
  local needed = seconds_of(workload) + 600 -- ten minutes to say good morning
  if node.available_seconds < needed then
    return false, "its owner is back in " .. node.available_seconds .. " s, the job takes " .. needed .. " s"
  end
  return true
end

function score(node, workload)
  local slack = node.available_seconds - seconds_of(workload)
  -- Best fit in time: least slack wins, and servers (without hours) come last.
  return -math.log(1 + math.max(0, slack))
end

function test_the_night_must_be_long_enough()
  local desk = node { labels = { role = "desktop" }, available_seconds = 7200, allocations = 0 }
  assert(filter(desk, workload { kind = "task", labels = { length = "short" } }))
  local ok, why = filter(desk, workload { kind = "task" })
  assert(not ok and why == "its owner is back in 7200 s, the job takes 7800 s", why)
end

function test_desktops_are_not_servers_and_not_crowded()
  local desk = node { labels = { role = "desktop" }, allocations = 3, available_seconds = 50000 }
  local ok, why = filter(desk, workload { kind = "service" })
  assert(not ok and why == "desktops take tasks only")
  ok, why = filter(desk, workload { kind = "task" })
  assert(not ok and why == "has 3 jobs already")
end

function test_best_fit_in_time()
  local job = workload { kind = "task", labels = { length = "medium" } }
  assert(score(node { available_seconds = 8000 }, job) > score(node { available_seconds = 40000 }, job))
end
