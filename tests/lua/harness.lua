-- Runs policies and plugins in tests exactly as the jailed host does: through lua/lib/host.lua, on the files
-- of the tree. What the jail itself forbids is tested in tests/unit/lua/host.

local api = require "api.api"
local host = require "lib.host"
local json = require "dkjson"
local strict = require "lib.strict"

local harness = {}

local ENTROPY = ("00112233445566778899aabbccddeeff"):rep(16)

local function read(path)
    local file = assert(io.open(path))
    local text = file:read "a"
    file:close()
    return text
end

-- Loads a source; returns nil, or the problem.
function harness.load_policy(source)
    return host.handle { op = "load", kind = "policy", name = "placement", source = source }.error
end

function harness.load_plugin(name, source, manifest)
    return host.handle { op = "load", kind = "plugin", name = name, source = source, manifest = manifest }.error
end

-- Loads a shipped file, which must be good.
function harness.shipped_plugin(name)
    local folder = "plugins/" .. name
    local manifest = json.decode(read(folder .. "/plugin.json"))
    local problem = harness.load_plugin(name, read(folder .. "/plugin.lua"), manifest)
    assert(not problem, problem and problem.sentence)
end

-- Renders a workload with these params. Returns what the plugin made, or nil and the problem.
-- options: cpu_milli, memory_bytes, credentials, entropy.
function harness.render(name, params, options)
    options = options or {}
    local answer = host.handle {
        op = "ask", id = 1, kind = "plugin", name = name, decision = "render",
        input = {
            spec = { name = "my-workload", type = name, params = params },
            cpu_milli = options.cpu_milli or 0,
            memory_bytes = options.memory_bytes or 0,
            entropy = options.entropy or ENTROPY,
            credentials = options.credentials,
        },
    }
    return answer.value, answer.error
end

local function with_defaults(given, defaults)
    local object = {}
    for name, value in pairs(defaults) do object[name] = value end
    for name, value in pairs(given) do object[name] = value end
    return object
end

-- A node and a workload with what a test says and plain values for the rest.
function harness.node(given)
    return with_defaults(given, {
        id = given.name, pool = "default", architecture = "amd64", os = "", healthy = true, on_battery = false,
        labels = {}, attributes = {}, cpu = 4, free_cpu = 4, memory = 8 << 30, free_memory = 8 << 30,
        disk = 100 << 30, free_disk = 50 << 30, bandwidth = 0, free_bandwidth = 0, allocations = 0, rank = 500,
        gpus = 0, free_gpus = 0, gpu_memory = 0, free_gpu_share = 0, available_seconds = math.maxinteger,
        workload_instances = 0, has_image = false, has_data = false,
    })
end

function harness.workload(given)
    return with_defaults(given, {
        id = "w", name = "my-workload", project = "admin", type = "postgres", kind = "service", labels = {}, count = 1,
        cpu = 0, memory = 0, disk = 0, bandwidth = 0, gpus = 0, gpu_share = 0, gpu_memory = 0, priority = 50,
    })
end

-- Stands for the rows that the console shares (lua/host/rows.h); writes answers by node name.
local function shared_rows(workload, nodes, answers)
    local as_node
    for _, description in ipairs(api.objects) do
        if description.name == "node" then as_node = strict.object(description) end
    end
    local at = 0
    return {
        begin = function() return with_defaults(workload, {}) end,
        next = function()
            at = at + 1
            return nodes[at] and as_node(with_defaults(nodes[at], {}))
        end,
        score = function(score) answers[nodes[at].name] = { ok = true, score = score } end,
        refuse = function(reason) answers[nodes[at].name] = { ok = false, reason = reason } end,
    }
end

-- Asks the loaded placement policy. Returns the answers by node name, or nil and the problem.
function harness.decide(workload, nodes)
    local answers = {}
    local answer = host.handle({ op = "rows", id = 1, kind = "policy", name = "placement" },
        shared_rows(workload, nodes, answers))
    if answer.error then return nil, answer.error end
    return answers
end

return harness
