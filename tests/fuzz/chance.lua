-- Chance that repeats: one generator a seed.

local chance = {}
chance.__index = chance

-- Returns a generator for a seed (an integer).
function chance.new(seed)
    local self = setmetatable({ state = seed * 2654435761 + 1442695040888963407 }, chance)
    self:below(2) -- neighbouring seeds begin alike
    self:below(2)
    return self
end

-- Returns an integer from 1 to count.
function chance:below(count)
    self.state = self.state * 6364136223846793005 + 1442695040888963407
    local mixed = self.state ~ (self.state >> 29)
    return ((mixed * 0x2545F4914F6CDD1D) >> 33) % count + 1
end

-- Whether something happens that happens once in `count` times.
function chance:once_in(count)
    return self:below(count) == 1
end

function chance:pick(list)
    return list[self:below(#list)]
end

return chance
