-- The policies of the tree: they load, with their own tests, and what can be compiled is.

local host = require "lib.host"
local rehearse = require "compiler.rehearse"
local sandbox = require "lib.sandbox"

local COMPILED_AT_LEAST = 29 -- of the thirty

local function read(path)
    local file = assert(io.open(path))
    local text = file:read "a"
    file:close()
    return text
end

local function load_policy(name, path)
    local source = read(path)
    local answer = host.handle { op = "load", kind = "policy", name = name, source = source }
    assert(not answer.error, answer.error and answer.error.sentence)
    assert(answer.tests > 0, path .. " has no tests")
    assert(not answer.defect, answer.defect)
    return answer, source
end

describe("a shipped policy", function()
    for _, name in ipairs { "placement", "admission", "approval" } do
        it(("passes its own tests: %s"):format(name), function()
            load_policy(name, ("policies/%s/%s.lua"):format(name, name))
        end)
    end

    it("for placement is compiled, to little", function()
        local answer = load_policy("placement", "policies/placement/placement.lua")
        assert.is_true(#answer.program.ops <= 48)
        assert.is_nil(answer.program.traps)
        assert.equal(3, #answer.program.rules)
        assert.equal(3, #answer.program.terms)
    end)
end)

describe("the shipped admission policy", function()
    it("is compiled, to little", function()
        local answer, source = load_policy("admission", "policies/admission/admission.lua")
        assert.is_true(#answer.program.ops <= 12)
        assert.is_nil(answer.program.traps)
        assert.equal(1, #answer.program.rules)
        local globals = sandbox.run(sandbox.compile(source, "admission.lua"))
        assert.is_nil(rehearse.compare(answer.program, "admission.lua", globals, 11, 400, "admission"))
    end)
end)

describe("the shipped approval policy", function()
    local function compiled(source)
        local answer = host.handle { op = "load", kind = "policy", name = "approval", source = source }
        assert.is_nil(answer.error and answer.error.sentence)
        assert.is_nil(answer.defect)
        assert(answer.program, answer.functions[1].why)
        local globals = sandbox.run(sandbox.compile(source, "approval.lua"))
        assert.is_nil(rehearse.compare(answer.program, "approval.lua", globals, 11, 400, "approval"))
        return answer.program
    end

    it("is compiled, to nothing, since a good token is enough", function()
        local program = compiled(read "policies/approval/approval.lua")
        assert.is_nil(program.rules)
        assert.is_nil(program.traps)
    end)

    it("is compiled with what it invites to set", function()
        local source = read "policies/approval/approval.lua"
        local names, pools
        source, names = source:gsub("local NAMES = nil", "local NAMES = '^lab%%-%%d+$'")
        source, pools = source:gsub("local ASK_FOR_POOLS = {}", "local ASK_FOR_POOLS = { edge = true, far = true }")
        assert.equal(2, names + pools)
        source = source:gsub("node {}", "node { name = 'lab-1' }")
        local program = compiled(source)
        assert.equal(2, #program.rules)
        assert.is_nil(program.traps)
        assert.is_true(#program.ops <= 16)
    end)
end)

describe("the thirty policies", function()
    it("pass their own tests, nearly all compiled, and the programs say what they say", function()
        local listing = io.popen "ls tests/policies/*.lua"
        local count, compiled = 0, 0
        for path in listing:lines() do
            local answer, source = load_policy("placement", path)
            count = count + 1
            if answer.program then
                compiled = compiled + 1
                local globals = sandbox.run(sandbox.compile(source, "placement.lua"))
                local difference = rehearse.compare(answer.program, "placement.lua", globals, 11, 100)
                assert(not difference, ("%s: %s"):format(path, difference))
            end
        end
        listing:close()
        assert.equal(30, count)
        assert.is_true(compiled >= COMPILED_AT_LEAST, ("%d of 30"):format(compiled))
    end)
end)
