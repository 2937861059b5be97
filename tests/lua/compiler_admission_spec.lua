-- Admission policies as programs: what they say is what their function says.

local compiling = require "tests.lua.compiling"

local function messages(program)
    local list = {}
    for index, trap in ipairs(program.traps or {}) do list[index] = trap.message end
    return list
end

describe("an admission policy", function()
    it("is a program of rules about request and project, without a score", function()
        local program = compiling.admit [[
            if request.admin then return true end
            return project.instances + request.count <= 8, "eight are enough"]]
        assert.equal(1, #program.rules)
        assert.same({ "eight are enough" }, program.rules[1].reason)
        assert.is_nil(program.score)
        assert.is_nil(program.traps)
    end)

    it("says what it would without being compiled", function()
        for _, body in ipairs {
            "return true",
            "",
            "return nil, 'no'",
            "return request.admin or request.user == project.name",
            "return request.count * request.cpu + project.cpu <= 16",
            "return request.count * request.memory + project.memory <= 2^34, ('%d of %d'):format(project.memory, 2^34)",
            "local most = ({ ada = 4, other = 8 })[request.user] or 2 return request.count <= most, 'at most ' .. most",
            "for _, key in ipairs { 'team', 'cost' } do "
                .. "if not request.labels[key] then return false, 'no ' .. key end end return true",
            "return request.labels[project.name] == request.labels.team",
            "if request.action == 'scale' then return request.priority < 50 end "
                .. "return request.gpus == 0 or request.kind == 'task'",
            "if project.workloads > 3 then error('too many', 0) end return true",
            "assert(request.image ~= '', 'no image') return request.type ~= 'custom'",
            "return request.disk // (1 << 20) + project.disk // (1 << 20) < 100, request.disk / 3 .. ' bytes'",
        } do
            compiling.admit(body)
        end
    end)

    it("raises what Lua and the console would for an answer that is none", function()
        local cases = {
            ["return request.count"] = "admit returned a number; it returns true, or false and a reason",
            ["return 'yes'"] = 'admit returned "yes"; it returns true, or false and a reason',
            ["return 'a\\nb'"] = 'admit returned "a b"; it returns true, or false and a reason',
            ["return request.labels"] = "admit returned a table; it returns true, or false and a reason",
            ["return math.abs"] = "admit returned a function; it returns true, or false and a reason",
            ["return true, {}"] = "admit returned a table as reason; a reason is text",
            ["return false, 7"] = "admit returned a number as reason; a reason is text",
            ["return false, true"] = "admit returned true as reason; a reason is text",
        }
        for body, message in pairs(cases) do
            assert.same({ message }, messages(compiling.admit(body, 20)))
        end
        local program = compiling.admit "return request.count > 1, request.admin"
        assert.same({ "admit returned true as reason; a reason is text",
            "admit returned false as reason; a reason is text" }, messages(program))
    end)

    it("is asked of Lua where its verdict is a text that is not written down", function()
        local entry = compiling.refused("function admit(request)\n return request.user end", "admission")
        assert.equal("admit returns a text as its verdict that is not written down", entry.why)
        assert.equal("return true, or false and a reason", entry.instead)
        assert.equal(1, entry.line)
        entry = compiling.refused("function admit(request)\n return pcall(error) end", "admission")
        assert.equal("admit", entry.name)
        assert.equal(2, entry.line)
    end)

    it("is refused where it names what is not there, whoever would ask", function()
        local problem = compiling.problem("function admit(request)\n"
            .. " if request.user == 'eve' then return request.cout end return true end", "admission")
        assert.equal(2, problem.line)
        assert.matches("request has no field 'cout'; did you mean 'count'?", problem.problem, 1, true)
        problem = compiling.problem("function admit(request, project)\n return project.node end", "admission")
        assert.matches("project has no field 'node'", problem.problem)
    end)
end)
