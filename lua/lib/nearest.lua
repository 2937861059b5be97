-- "Did you mean": the nearest of some words.

local nearest = {}

local BEGUN_MIN = 3 -- bytes of a word that is taken for a beginning

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

-- How many bytes two words begin with in common.
local function common(a, b)
    local count = 0
    while count < #a and a:byte(count + 1) == b:byte(count + 1) do count = count + 1 end
    return count
end

-- The only candidate of which the word is what it begins with (age, age_seconds); nil when there is none, or several.
local function begun(word, candidates)
    local found
    for _, candidate in ipairs(candidates) do
        if #word >= BEGUN_MIN and candidate:sub(1, #word) == word then
            if found then return nil end
            found = candidate
        end
    end
    return found
end

-- Returns the candidate nearest to the word, or nil when none is near (more than a third of it differs, and it
-- is not the beginning of just one). Of those that are as near, the one that begins like it.
function nearest.word(word, candidates)
    local best, best_distance
    if #word > 64 then return nil end
    for _, candidate in ipairs(candidates) do
        local edits = distance(word, candidate)
        local is_nearer = not best or edits < best_distance or
            edits == best_distance and common(word, candidate) > common(word, best)
        if edits <= math.max(1, #word // 3) and is_nearer then
            best, best_distance = candidate, edits
        end
    end
    return best or begun(word, candidates)
end

-- Returns ": did you mean 'x'?" for the end of a sentence, or ".".
function nearest.hint(word, candidates)
    local best = nearest.word(word, candidates)
    return best and ("; did you mean '%s'?"):format(best) or "."
end

return nearest
