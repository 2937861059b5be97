-- Which machines may join. Change it and save: the next machine follows the new text.
--
-- approve is asked for a machine that brings a join token which is known here and has not ended. It returns
-- "accept"; or "reject" and a reason; or "ask": then the machine waits for `lattice node approve NAME`. What a node
-- and a token have is listed in docs/lua/api.md. As it is shipped a good token is enough.

-- What a node is called: a pattern of Lua, such as "^lab%-%d+$"; nil: as it likes.
local NAMES = nil

-- Pools whose nodes an administrator looks at first, such as { edge = true }.
local ASK_FOR_POOLS = {}

function approve(node, token)
    if NAMES and not node.name:find(NAMES) then
        return "reject", ("nodes are named like %s here"):format(NAMES)
    end
    if ASK_FOR_POOLS[token.pool] then
        return "ask", ("nodes of the pool %s are approved by a person"):format(token.pool)
    end
    return "accept"
end

-- Tests run whenever the file is loaded; one that fails keeps it from taking effect.

function test_a_good_token_is_enough()
    assert(approve(node {}, token {}) == "accept")
end
