-- GPU farm with three generations of cards. Customers may name a model; those who do not get the cheapest that
-- has memory enough, so that the big ones stay free for those who pay for them.

local PRICE = {
  ["NVIDIA GeForce RTX 3090"] = 1.0,
  ["NVIDIA GeForce RTX 4090"] = 1.8,
  ["NVIDIA L40S"] = 3.5,
  ["NVIDIA A100-SXM4-80GB"] = 6.0,
  ["NVIDIA H100 80GB HBM3"] = 11.5,
}
local UNKNOWN = 4.0
local GIB = 1024 * 1024 * 1024

function filter(node, workload)
  if workload.gpus == 0 then
    if node.gpus > 0 then return false, "is kept for GPU work" end
    return true
  end
  if node.free_gpus < workload.gpus then
    return false, ("has %d of %d GPUs free, needs %d"):format(node.free_gpus, node.gpus, workload.gpus)
  end
  if workload.gpu_model and node.gpu_model ~= workload.gpu_model then
    return false, "has " .. (node.gpu_model or "no known GPU") .. ", not " .. workload.gpu_model
  end
  if node.gpu_memory < workload.gpu_memory then
    return false, ("a GPU has %.1f GiB, needs %.1f GiB"):format(node.gpu_memory / GIB, workload.gpu_memory / GIB)
  end
  return true
end

function score(node, workload)
  if workload.gpus == 0 then return node.free_cpu end
  local price = node.gpu_model and PRICE[node.gpu_model] or UNKNOWN
  local left_over = node.free_gpus - workload.gpus
  return -100 * price - 10 * left_over
end

function test_reasons()
  local job = workload { gpus = 2, gpu_model = "NVIDIA L40S", gpu_memory = 40 * GIB }
  local function why(n)
    local ok, reason = filter(n, job)
    return not ok and reason
  end
  assert(why(node { gpus = 4, free_gpus = 1 }) == "has 1 of 4 GPUs free, needs 2")
  assert(why(node { gpus = 4, free_gpus = 4, gpu_model = "A2" }) == "has A2, not NVIDIA L40S")
  assert(why(node { gpus = 4, free_gpus = 4, gpu_model = "NVIDIA L40S", gpu_memory = 36 * GIB })
    == "a GPU has 36.0 GiB, needs 40.0 GiB")
end

function test_the_cheapest_wins()
  local job = workload { gpus = 1 }
  local old = node { gpu_model = "NVIDIA GeForce RTX 3090", free_gpus = 2 }
  local new = node { gpu_model = "NVIDIA H100 80GB HBM3", free_gpus = 1 }
  assert(score(old, job) == -110 and score(new, job) == -1150)
end

function test_gpu_nodes_are_kept()
  assert(not filter(node { gpus = 1 }, workload { gpus = 0 }) and filter(node { gpus = 0 }, workload { gpus = 0 }))
end
