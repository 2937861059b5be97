-- What a workload asks of its node, out of flags: resources, devices, and where it may and would like to be.
--
--   --require zone=a     zone!=a   zone=a,b   zone!=a,b   cores>4   cores<4   ssd   !ssd
--   --prefer zone=a:50   the same, with a weight
--   --near my-db@zone    an instance of it stands in the same zone; tier=front instead of a name: what has these labels
--   --apart web          no instance of it stands on the same node; with :50 behind it, preferred instead of required

local problem = require "cli.problem"

local demand = {}

local OPERATORS = { ["="] = true, ["!="] = true, [">"] = true, ["<"] = true, exists = true, not_exists = true }
local SEVERAL = { ["="] = "in", ["!="] = "not_in" }

local function split_weight(text)
    local rest, weight = text:match("^(.*):(%d+)$")
    return rest or text, weight and math.tointeger(tonumber(weight))
end

local function split_list(text)
    local list = {}
    for item in (text .. ","):gmatch("([^,]*),") do list[#list + 1] = item end
    return list
end

-- Reads one condition into {key, operator, values}.
local function read_condition(flag, text)
    local key, operator, value = text:match("^([^=!<>]+)([!<>]?=?)(.*)$")
    if text:find("^!") then
        key, operator, value = text:sub(2), "not_exists", ""
    elseif operator == "" and value == "" then
        operator = "exists"
    end
    if not key or key == "" or key:find("[=!<>]") or not OPERATORS[operator] then
        problem.usage(("--%s takes a condition, not '%s'."):format(flag, text),
            "Such as zone=a, zone!=a, zone=a,b, cores>4, ssd (is there), !ssd (is not).")
    end
    if operator == "exists" or operator == "not_exists" then return { key = key, operator = operator } end
    local values = split_list(value)
    return { key = key, operator = #values > 1 and SEVERAL[operator] or operator, values = values }
end

local function read_conditions(flag, list, weighed)
    if not list then return nil end
    local conditions = {}
    for index, text in ipairs(list) do
        local rest, weight = text, nil
        if weighed then rest, weight = split_weight(text) end
        conditions[index] = read_condition(flag, rest)
        conditions[index].weight = weight
    end
    return conditions
end

-- Reads NAME[@KEY][:WEIGHT], where NAME may be LABEL=VALUE[,LABEL=VALUE]... instead.
local function read_affinities(flag, list)
    if not list then return nil end
    local affinities = {}
    for index, text in ipairs(list) do
        local rest, weight = split_weight(text)
        local whom, by = rest:match("^(.+)@([^@]+)$")
        local one = { by = by, weight = weight }
        whom = whom or rest
        if whom:find("=", 1, true) then
            one.labels = {}
            for _, pair in ipairs(split_list(whom)) do
                local name, value = pair:match("^([^=]+)=(.*)$")
                if not name then problem.usage(("--%s takes NAME or LABEL=VALUE, not '%s'."):format(flag, text)) end
                one.labels[name] = value
            end
        elseif whom == "" or whom:find("@", 1, true) then
            problem.usage(("--%s takes NAME or NAME@KEY, not '%s'."):format(flag, text),
                ("Such as --%s my-db, --%s my-db@zone, --%s my-db@zone:50."):format(flag, flag, flag))
        else
            one.workload = whom
        end
        affinities[index] = one
    end
    return affinities
end

local function read_spread(text)
    if not text then return nil end
    local by, skew = split_weight(text)
    return { by = by, max_skew = skew }
end

-- Reads N[:MODEL]: whole devices, or a share of one where N is below 1.
local function read_gpus(text, memory)
    if not text then
        if memory then problem.usage("--gpu-memory says something of --gpus.", "Add --gpus 1.") end
        return nil
    end
    local number, model = text:match("^([%d.]+):?(.*)$")
    local amount = number and tonumber(number)
    local count = amount and math.tointeger(amount)
    if not amount or amount <= 0 or (not count and amount > 1) then
        problem.usage(("--gpus takes a number of devices, or a share of one, not '%s'."):format(text),
            "Such as --gpus 1, --gpus 2:A100, --gpus 0.5.")
    end
    return {
        count = count, share = not count and amount or nil,
        model = model ~= "" and model or nil, memory = memory,
    }
end

local function read_placement(options)
    local placement = {
        pool = options.pool,
        architecture = options.arch,
        runtime = options.runtime,
        require = read_conditions("require", options.require),
        prefer = read_conditions("prefer", options.prefer, true),
        affinity = read_affinities("near", options.near),
        anti_affinity = read_affinities("apart", options.apart),
        spread = read_spread(options.spread),
    }
    return next(placement) and placement or nil
end

-- Adds to a spec what the flags ask for.
function demand.add(made, options)
    if options.retries and not options.task then
        problem.usage("Only a task has retries.", "A service that ends is started again anyhow. For a task: --task")
    end
    made.kind = options.task and "task" or nil
    made.retries = options.retries
    made.priority = options.priority
    made.disk = options.disk
    made.bandwidth = options.bandwidth
    made.gpus = read_gpus(options.gpus, options.gpu_memory)
    made.placement = read_placement(options)
    return made
end

demand.flags = {
    { name = "task", help = "it runs to its end once; waits for that, and fails when it fails" },
    { name = "retries", value = "NUMBER", kind = "integer", max = 100,
        help = "of a task: how often an instance that failed is started again (default 0)" },
    { name = "priority", value = "NUMBER", kind = "integer", max = 100,
        help = "how much it matters, 0 to 100, for policies to see (default 50)" },
    { name = "disk", value = "SIZE", help = "disk that each instance reserves: 10g" },
    { name = "bandwidth", value = "RATE", help = "bits a second that each instance reserves: 100m" },
    { name = "gpus", value = "NUMBER[:MODEL]", help = "GPUs for each instance, or a share of one: 1, 2:A100, 0.5" },
    { name = "gpu-memory", value = "SIZE", help = "memory that each of these needs at least: 16g" },
    { name = "pool", value = "NAME", help = "only nodes of this pool" },
    { name = "arch", value = "NAME", help = "only nodes of this architecture: amd64, arm64" },
    { name = "runtime", value = "NAME", help = "only nodes with this container runtime, which then runs it" },
    { name = "require", value = "CONDITION", kind = "list",
        help = "only nodes where it holds: zone=a, zone!=a, zone=a,b, cores>4, ssd, !ssd, attribute.cgroup=2" },
    { name = "prefer", value = "CONDITION[:WEIGHT]", kind = "list",
        help = "rather nodes where it holds; weights are 1 to 100 (default 50)" },
    { name = "near", value = "WORKLOAD[@KEY]", kind = "list",
        help = "on a node, or in a @zone, where an instance of that one is; :WEIGHT behind it: preferred" },
    { name = "apart", value = "WORKLOAD[@KEY]", kind = "list",
        help = "where no instance of that one is; its own name keeps its instances apart" },
    { name = "spread", value = "KEY[:SKEW]",
        help = "evenly over the values of a key, or nodes; SKEW: how uneven it may be at most" },
}

return demand
