-- Makes the tree of a policy smaller as long as the same thing goes wrong.

local generate = require "fuzz.generate"

local shrink = {}

-- The smallest of each kind.
local SMALLEST = {
    int = { "1", "0" }, float = { "1.0", "0.0" }, num = { "1", "1.0" }, bool = { "true", "false" }, text = { "\"a\"" },
    opt = { "nil", "\"a\"" }, any = { "nil", "1" }, why = { "\"a\"", "nil" }, stat = { "" }, block = { "" },
        part = { "" },
}

-- Which kinds may stand where another one stands.
local FITS = { num = { int = true, float = true }, any = { int = true, float = true, num = true, bool = true,
    opt = true, text = true },
    why = { text = true, opt = true }, opt = { text = true }, block = { stat = true }, stat = { stat = true,
        block = true } }

local function fits(t, other)
    return t == other or (FITS[t] and FITS[t][other])
end

-- Pieces below a piece that could stand in its place, the highest first.
local function below(node, t, found)
    for index = 1, #node do
        local part = node[index]
        if type(part) == "table" then
            if fits(t, part.t) then found[#found + 1] = part else below(part, t, found) end
        end
    end
    return found
end

local function pieces(node, found)
    for index = 1, #node do
        if type(node[index]) == "table" then
            found[#found + 1] = { node, index }
            pieces(node[index], found)
        end
    end
    return found
end

-- What to try in the place of a piece.
local function smaller(part)
    local list = {}
    for _, text in ipairs(SMALLEST[part.t] or {}) do
        if generate.text(part) ~= text then list[#list + 1] = { t = part.t, text, smallest = true } end
    end
    return below(part, part.t, list)
end

local TRIES_MAX = 4000

-- Changes the tree; still_fails(source) tells whether the same thing goes wrong.
function shrink.tree(tree, still_fails)
    local tries, again = 0, true
    while again and tries < TRIES_MAX do
        again = false
        for _, place in ipairs(pieces(tree, {})) do
            local parent, index = place[1], place[2]
            local part = parent[index]
            for _, other in ipairs(type(part) == "table" and not part.smallest and smaller(part) or {}) do
                local before = #generate.text(tree)
                parent[index] = other
                tries = tries + 1
                if #generate.text(tree) < before and still_fails(generate.text(tree)) then
                    again = true
                    break
                end
                parent[index] = part
            end
        end
    end
    return tree
end

return shrink
