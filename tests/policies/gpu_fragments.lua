-- Inference provider that sells slices of cards. Slices are packed so that whole cards stay whole: a request for
-- a quarter must not break a fresh card while a half-used one has room.

local EPSILON = 1e-9

local function wants_slice(workload)
    return workload.gpu_share > 0 and workload.gpus == 0
end

function filter(node, workload)
    if wants_slice(workload) then
        if node.free_gpu_share + EPSILON < workload.gpu_share then
            return false, string.format("largest free slice is %.0f %%, needs %.0f %%",
                100 * node.free_gpu_share, 100 * workload.gpu_share)
        end
    elseif node.free_gpus < workload.gpus then
        return false, "no whole GPUs left for it: " .. node.free_gpus .. " free"
    end
    if workload.gpu_memory > node.gpu_memory then
        return false, "GPU memory is too small"
    end
    return true
end

function score(node, workload)
    local s
    if wants_slice(workload) then
        local rest = node.free_gpu_share - workload.gpu_share
        s = 100 * (1 - rest) ^ 2
        -- the largest free slice is a whole card: it would be broken
        if node.free_gpu_share >= 1 - EPSILON then s = s - 200 end
    elseif workload.gpus > 0 then
        -- keep the nodes with many free cards for those who need many
        s = 50 / (1 + node.free_gpus - workload.gpus)
    else
        s = -25 * node.gpus
    end
    return s
end

function test_slices_go_to_broken_cards()
    local quarter = workload { gpus = 0, gpu_share = 0.25, gpu_memory = 0 }
    local fresh, half = node { free_gpu_share = 1, free_gpus = 1 }, node { free_gpu_share = 0.5, free_gpus = 0 }
    assert(score(half, quarter) > 0 and score(fresh, quarter) < 0)
    local ok, why = filter(node { free_gpu_share = 0.125, gpu_memory = 0 }, quarter)
    assert(not ok and why == "largest free slice is 12 %, needs 25 %", why)
end

function test_whole_cards_best_fit()
    local two = workload { gpus = 2, gpu_share = 0, gpu_memory = 0 }
    assert(score(node { free_gpus = 2 }, two) == 50)
    assert(score(node { free_gpus = 6 }, two) == 10)
    assert(not filter(node { free_gpus = 1 }, two))
    assert(score(node { gpus = 2 }, workload { gpus = 0, gpu_share = 0 }) == -50)
    local ok, why = filter(node { free_gpus = 2, gpu_memory = 8 }, workload { gpus = 1, gpu_share = 0, gpu_memory = 9 })
    assert(not ok and why == "GPU memory is too small")
    assert(filter(node { free_gpus = 2, gpu_memory = 9 }, workload { gpus = 1, gpu_share = 0, gpu_memory = 8 }))
end
