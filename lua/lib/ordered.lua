-- pairs and next of files: through a table in the order of its keys, so that what a file decides does not depend on
-- where Lua happened to put them. Numbers come first, then texts by their bytes, then false and true; keys of other
-- types have no order, and come last.

local ordered = {}

-- Returns the keys of a table as they are gone through.
function ordered.keys(of)
    local keys, texts, others = {}, {}, {}
    for key in next, of do
        local kind = type(key)
        local list = kind == "number" and keys or kind == "string" and texts or kind ~= "boolean" and others
        if list then list[#list + 1] = key end
    end
    table.sort(keys)
    table.sort(texts)
    table.move(texts, 1, #texts, #keys + 1, keys)
    if rawget(of, false) ~= nil then keys[#keys + 1] = false end
    if rawget(of, true) ~= nil then keys[#keys + 1] = true end
    return table.move(others, 1, #others, #keys + 1, keys)
end

-- As Lua's own. What is put into the table meanwhile is not met; what is taken out is not met any more. Errors are
-- raised by tail calls, so that they name the line of the file.
function ordered.pairs(...)
    if select("#", ...) == 0 then return pairs() end
    local iterate, of, first = pairs((...))
    if iterate ~= next or type(of) ~= "table" then return iterate, of, first end
    local keys, at = ordered.keys(of), 0
    return function()
        while at < #keys do
            at = at + 1
            local value = rawget(of, keys[at])
            if value ~= nil then return keys[at], value end
        end
    end, of, nil
end

local RANKS = { number = 1, string = 2, boolean = 3 }

-- Whether a key comes behind another one, which may have been taken out meanwhile.
local function is_behind(key, last)
    local rank, other = RANKS[type(key)] or 4, RANKS[type(last)] or 4
    if rank ~= other then return rank > other end
    if rank == 3 then return key and not last end
    return key > last
end

-- As Lua's own, where keys are numbers, texts and truths; each call goes through the table anew. To go on behind a key
-- of another type is an error: it has no place.
function ordered.next(...)
    local of, last = ...
    if type(of) ~= "table" or not pcall(next, of, last) then return next(...) end
    if last ~= nil and not RANKS[type(last)] then return next({}, last) end
    for _, key in ipairs(ordered.keys(of)) do
        if last == nil or is_behind(key, last) then return key, rawget(of, key) end
    end
    return nil
end

return ordered
