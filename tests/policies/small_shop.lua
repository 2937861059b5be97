-- Three servers in a bicycle shop. The owner read the manual for ten minutes: most free memory wins, and the
-- machine at the till is left alone.

function filter(node)
  return node.name ~= "till", "is the till"
end

function score(node)
  return node.free_memory
end

function test_till()
  local ok, why = filter(node { name = "till" }, workload {})
  assert(not ok and why == "is the till")
  assert(score(node { free_memory = 2 }) > score(node { free_memory = 1 }))
end
