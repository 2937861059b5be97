-- Data team on rented machines whose price per hour stands in a label. Tasks take the cheapest, spot or not;
-- services stay off spot machines; nobody pays more than a workload's own limit.

local DEFAULT_PRICE = 0.40

local function price(node)
  return tonumber(node.labels.price) or DEFAULT_PRICE
end

function filter(node, workload)
  if node.labels.market == "spot" and workload.kind == "service" then
    return false, "is a spot machine, and services need one that stays"
  end
  local limit = tonumber(workload.labels["max-price"] or "") or 10
  if price(node) > limit then
    return false, ("costs %.2f an hour, more than %.2f"):format(price(node), limit)
  end
  return true
end

function score(node)
  local per_cpu = price(node) / math.max(node.cpu, 1)
  return -1000 * per_cpu
end

function test_prices()
  assert(score(node { labels = { price = "0.08" }, cpu = 8 }) == -10)
  assert(score(node { labels = { price = "a lot" }, cpu = 4 }) == -100)
  local ok, why = filter(node { labels = { price = "1.5" } }, workload { labels = { ["max-price"] = "1" } })
  assert(not ok and why == "costs 1.50 an hour, more than 1.00", why)
end

function test_services_stay_off_spot_machines()
  local spot = node { labels = { market = "spot" } }
  assert(filter(spot, workload { kind = "task" }))
  assert(not filter(spot, workload { kind = "service" }))
end
