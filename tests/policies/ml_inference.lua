-- Machine-learning platform: models of 5 to 80 GiB are served behind a balancer. Starting where the image is saves
-- minutes, two replicas on one node save nothing, and every weight here was argued about in a meeting.

local W = { image = 2.0, replica = 4.0, memory = 1.5, share = 1.0, rank = 0.5 }
local MODELS = { "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S", "NVIDIA A10" }

-- 1 for the best card, less for the next ones, 0 for one that is not in the list
local function standing(model)
    for i = 1, #MODELS do
        if MODELS[i] == model then return 1 - (i - 1) / #MODELS end
    end
    return 0
end

local function fit(have, need)
    if need <= 0 or have <= 0 then return 0 end
    return math.min(need / have, 1)
end

function filter(node, workload)
    local wants_gpu = workload.gpus > 0 or workload.gpu_share > 0
    if not wants_gpu then return node.gpus == 0, "has GPUs, and this needs none" end
    if node.gpu_memory < workload.gpu_memory then
        local have, need = node.gpu_memory >> 30, workload.gpu_memory >> 30
        return false, "has cards of " .. have .. " GiB, the model needs " .. need .. " GiB"
    end
    return true
end

function score(node, workload)
    local latency = workload.labels.class == "realtime" and standing(node.gpu_model) or 0
    return W.image * (node.has_image and 1 or 0)
        - W.replica * node.workload_instances
        + W.memory * fit(node.gpu_memory, workload.gpu_memory)
        + W.share * fit(node.free_gpu_share, workload.gpu_share)
        + W.rank * (node.rank - 500) / 500
        + 3 * latency
end

function test_cards()
    local ok, why = filter(node { gpu_memory = 24 << 30 }, workload { gpus = 1, gpu_memory = 40 << 30 })
    assert(not ok and why == "has cards of 24 GiB, the model needs 40 GiB", why)
    assert(not filter(node { gpus = 2 }, workload { gpus = 0, gpu_share = 0 }))
end

function test_weights()
    local n = { has_image = true, workload_instances = 1, gpu_memory = 48 << 30, free_gpu_share = 0.5, rank = 1000,
        gpu_model = "NVIDIA L40S" }
    local w = { gpu_memory = 24 << 30, gpu_share = 0.25 }
    assert(score(node(n), workload(w)) == 2 - 4 + 0.75 + 0.5 + 0.5)
    w.labels = { class = "realtime" }
    assert(score(node(n), workload(w)) == -0.25 + 1.5)
end
