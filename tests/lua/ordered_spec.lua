local ordered = require "lib.ordered"

describe("pairs of files", function()
    local function walked(of)
        local keys = {}
        for key, value in ordered.pairs(of) do
            assert.is_true(value == of[key])
            keys[#keys + 1] = tostring(key)
        end
        return table.concat(keys, " ")
    end

    it("goes through numbers, texts, false and true", function()
        local of = { [true] = 0, [false] = false, b = 1, a = false, B = 2, [""] = 3, [2] = 4, [1.5] = 5, [-7] = 6,
            ["\u{e9}"] = 7 }
        assert.equal("-7 1.5 2  B a b \u{e9} false true", walked(of))
        assert.equal("", walked {})
        of[of] = 1
        assert.equal("-7 1.5 2  B a b \u{e9} false true " .. tostring(of), walked(of))
    end)

    it("meets what is there when its turn comes, and was there at the beginning", function()
        local of, met = { a = 1, b = 2, c = 3 }, {}
        for key, value in ordered.pairs(of) do
            met[#met + 1] = key .. value
            of.b, of.c, of.d = nil, 7, 8
        end
        assert.same({ "a1", "c7" }, met)
    end)

    it("complains as Lua's does", function()
        for _, of in ipairs { 1, "text", false } do
            local said = {}
            for index, by in ipairs { pairs, ordered.pairs } do
                said[index] = select(2, pcall(function() for key in by(of) do error(key) end end))
            end
            assert.equal(said[1], said[2])
            assert.is_string(said[1])
        end
        local _, message = pcall(function() return (ordered.pairs()) end)
        assert.matches("bad argument #1 to 'pairs'", message, 1, true)
    end)

    it("heeds __pairs", function()
        local of = setmetatable({}, { __pairs = function() return next, { z = 1, y = 2 } end })
        local keys = {}
        for key in ordered.pairs(of) do keys[#keys + 1] = key end
        assert.same({ "y", "z" }, keys)
    end)
end)

describe("next of files", function()
    it("goes by the same order", function()
        local of, keys = { b = 1, a = false, [3] = 2, [false] = 4 }, {}
        local key, value = ordered.next(of)
        while key ~= nil do
            keys[#keys + 1] = tostring(key) .. tostring(value)
            key, value = ordered.next(of, key)
        end
        assert.same({ "32", "afalse", "b1", "false4" }, keys)
        assert.is_nil(ordered.next {})
        assert.is_false(pcall(ordered.next, nil))
        assert.is_false(pcall(ordered.next, {}, "what is not there"))
    end)

    it("goes on behind what has been taken out", function()
        local of, keys = { a = 1, b = 2, c = 3, [1] = 4 }, {}
        for key in ordered.next, of do
            keys[#keys + 1] = key
            of[key] = nil
        end
        assert.same({ 1, "a", "b", "c" }, keys)
    end)

    it("has no place for keys that have no order", function()
        local of = { [{}] = 1 }
        local key = ordered.next(of)
        assert.is_table(key)
        assert.is_false(pcall(ordered.next, of, key))
    end)
end)
