-- "Did you mean": the nearest of some words.

local nearest = {}

-- Edits (insert, remove, replace one byte, swap two neighbours) that turn a into b.
local function distance(a, b)
    local before, row = nil, {}
    for j = 0, #b do row[j] = j end
    for i = 1, #a do
        local next_row = { [0] = i }
        for j = 1, #b do
            local same = a:byte(i) == b:byte(j)
            local edits = math.min(row[j] + 1, next_row[j - 1] + 1, same and row[j - 1] or row[j - 1] + 1)
            if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                edits = math.min(edits, before[j - 2] + 1)
            end
            next_row[j] = edits
        end
        before, row = row, next_row
    end
    return row[#b]
end

-- Returns the candidate nearest to the word, or nil when none is near (more than a third of it differs).
function nearest.word(word, candidates)
    local best, best_distance
    if #word > 64 then return nil end
    for _, candidate in ipairs(candidates) do
        local edits = distance(word, candidate)
        if edits <= math.max(1, #word // 3) and (not best or edits < best_distance) then
            best, best_distance = candidate, edits
        end
    end
    return best
end

-- Returns ": did you mean 'x'?" for the end of a sentence, or ".".
function nearest.hint(word, candidates)
    local best = nearest.word(word, candidates)
    return best and ("; did you mean '%s'?"):format(best) or "."
end

return nearest
