-- Function platform: instances come in sizes of 128 MiB, doubled up to 4 GiB. A node is best when what is left of
-- it can still be cut into whole large slots, so nothing is lost to odd remainders.

local MIB = 1024 * 1024
local SIZES = { 128, 256, 512, 1024, 2048, 4096 }

local function bucket(bytes)
  for _, mib in ipairs(SIZES) do
    if bytes <= mib * MIB then return mib end
  end
  return nil
end

function filter(node, workload)
  local size = bucket(workload.memory)
  if size == nil then
    return false, "nothing here is larger than 4096 MiB"
  end
  if node.free_memory // MIB < size then
    return false, "has " .. node.free_memory // MIB .. " MiB left, the slot has " .. size
  end
  return true
end

function score(node, workload)
  local size = bucket(workload.memory) or 4096
  local rest = node.free_memory // MIB - size
  local points = 0
  for i = 0, 5 do
    local slot = 128 << i
    if rest % slot == 0 then points = points + (1 << i) end
  end
  if rest & (rest - 1) == 0 then points = points + 8 end -- a power of two, or nothing: perfect
  return points * 16 - math.max(rest, 0) // 1024
end

function test_slots()
  local ok, why = filter(node { free_memory = 300 * MIB }, workload { memory = 257 * MIB })
  assert(not ok and why == "has 300 MiB left, the slot has 512")
  assert(filter(node { free_memory = 256 * MIB }, workload { memory = 200 * MIB }))
  assert(not filter(node {}, workload { memory = 4097 * MIB }))
end

function test_no_odd_remainders()
  local w = workload { memory = 100 * MIB }
  assert(score(node { free_memory = 128 * MIB }, w) == (63 + 8) * 16)
  assert(score(node { free_memory = 4224 * MIB }, w) == (63 + 8) * 16 - 4)
  assert(score(node { free_memory = 500 * MIB }, w) == 0)
end
