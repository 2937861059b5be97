describe("lua/api", function()
    it("has made the editor's types and the manual from its present text", function()
        assert.is_true(os.execute("lua5.4 lua/api/generate.lua --check"))
    end)

    it("says since when for every entry", function()
        local api = require "api.api"
        for _, list in ipairs { api.functions, api.decisions } do
            for _, entry in ipairs(list) do assert.is_true(entry.since <= api.version, entry.name) end
        end
        for _, object in ipairs(api.objects) do
            for _, field in ipairs(object.fields) do
                assert.is_true(field.since <= api.version, field.name)
                assert.is_true(field.example ~= nil or field.type:find "|nil$" ~= nil, field.name)
            end
        end
    end)
end)
