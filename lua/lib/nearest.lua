-- "Did you mean": the nearest of some words.

local nearest = {}

-- Edits (insert, remove, replace one byte) that turn a into b.
local function distance(a, b)
    local row = {}
    for j = 0, #b do row[j] = j end
    for i = 1, #a do
        local diagonal = row[0]
        row[0] = i
        for j = 1, #b do
            local above = row[j]
            local replaced = a:byte(i) == b:byte(j) and diagonal or diagonal + 1
            row[j] = math.min(above + 1, row[j - 1] + 1, replaced)
            diagonal = above
        end
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
