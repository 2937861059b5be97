-- A workload as it is shown: what several commands say about one.

local units = require "cli.units"

local workload = {}

local function text(value)
    return type(value) == "string" and units.clean(value) or ""
end

-- "/api/v1/workloads/NAME"; a name may be PROJECT/NAME.
function workload.path(system, name, action)
    return "/api/v1/workloads/" .. system.escape(name) .. (action and "/" .. action or "")
end

-- Names of the nodes it is on.
function workload.nodes(item)
    local names, seen = {}, {}
    for _, allocation in ipairs(item.allocations or {}) do
        if not seen[allocation.node] then
            seen[allocation.node] = true
            names[#names + 1] = text(allocation.node)
        end
    end
    return names
end

-- "HOST:PORT" of the first public endpoint, and how many more there are: "10.0.0.2:20000 +1".
function workload.address(item)
    local first, more = nil, 0
    for _, endpoint in ipairs(item.endpoints or {}) do
        if endpoint.public and math.type(endpoint.port) then
            if first then more = more + 1 else first = ("%s:%d"):format(text(endpoint.host), endpoint.port) end
        end
    end
    return (first or "") .. (more > 0 and " +" .. more or "")
end

-- How many of the instances run, or, of a task, have completed: "1/2".
function workload.instances(item)
    local good, wanted = 0, item.kind == "task" and "completed" or "running"
    for _, allocation in ipairs(item.allocations or {}) do
        if allocation.status == wanted then good = good + 1 end
    end
    return ("%d/%d"):format(good, item.count or 0)
end

-- Tells whether an instance of a task has failed for good.
function workload.is_finished(item)
    for _, allocation in ipairs(item.allocations or {}) do
        local observed = type(allocation.observed) == "table" and allocation.observed or {}
        if allocation.status == "failed" and observed.finished then return true end
    end
    return false
end

-- What it is besides a service: "task, up to 3 runs, priority 80".
function workload.kind(item)
    local parts = {}
    if item.kind and item.kind ~= "service" then parts[1] = text(item.kind) end
    if (item.retries or 0) > 0 then parts[#parts + 1] = ("up to %d runs"):format(item.retries + 1) end
    if item.priority and item.priority ~= 50 then parts[#parts + 1] = ("priority %d"):format(item.priority) end
    return table.concat(parts, ", ")
end

-- Devices as they were asked for: "2 GPUs A100 of 40 GiB", "0.5 of a GPU".
local function gpus(asked)
    local share = asked.share_milli or 0
    local what = share > 0 and ("%s of a GPU"):format(units.cpu(share)) or units.count(asked.count or 0, "GPU")
    if (asked.model or "") ~= "" then what = what .. " " .. text(asked.model) end
    if (asked.memory_bytes or 0) > 0 then what = what .. " of " .. units.size(asked.memory_bytes) end
    return what
end

-- What each instance reserves without being held to it: "10 GiB of disk, 100 Mbit/s, 1 GPU T4, port 9000".
function workload.reserves(item)
    local parts = {}
    if (item.disk_bytes or 0) > 0 then parts[#parts + 1] = units.size(item.disk_bytes) .. " of disk" end
    if (item.bandwidth_bps or 0) > 0 then parts[#parts + 1] = units.rate(item.bandwidth_bps) end
    if type(item.gpus) == "table" then parts[#parts + 1] = gpus(item.gpus) end
    for _, port in ipairs(item.host_ports or {}) do parts[#parts + 1] = ("port %d"):format(port) end
    return table.concat(parts, ", ")
end

local function condition(one)
    local values = {}
    for index, value in ipairs(one.values or {}) do values[index] = text(value) end
    local operator, list = one.operator or "=", table.concat(values, ",")
    if operator == "exists" then return text(one.key) end
    if operator == "not_exists" then return "!" .. text(one.key) end
    local written = { ["in"] = "=", not_in = "!=" }
    return text(one.key) .. (written[operator] or text(operator)) .. list
end

local function affinity(word, one)
    local whom = one.workload and text(one.workload) or units.labels(one.labels)
    return ("%s %s%s"):format(word, whom, one.by and one.by ~= "node" and "@" .. text(one.by) or "")
end

-- Where it may and would like to be, as the flags of `deploy` say it: "pool lab, zone=a, apart web, rather ssd:50".
function workload.placement(item)
    local asked = type(item.placement) == "table" and item.placement or {}
    local parts = {}
    local function add(said, weight) parts[#parts + 1] = weight and ("rather %s:%d"):format(said, weight) or said end
    for _, word in ipairs { "pool", "architecture", "runtime" } do
        if type(asked[word]) == "string" then add(word .. " " .. text(asked[word])) end
    end
    for _, one in ipairs(asked.require or {}) do add(condition(one)) end
    for _, one in ipairs(asked.affinity or {}) do add(affinity("near", one), one.weight) end
    for _, one in ipairs(asked.anti_affinity or {}) do add(affinity("apart", one), one.weight) end
    if type(asked.spread) == "table" then add("spread " .. text(asked.spread.by)) end
    for _, one in ipairs(asked.prefer or {}) do add(condition(one), one.weight or 50) end
    return table.concat(parts, ", ")
end

-- Names of the volumes in which it keeps data.
function workload.volumes(item)
    local names = {}
    for _, volume in ipairs(item.volumes or {}) do names[#names + 1] = text(volume.name) end
    return names
end

-- The addresses of its public endpoints.
function workload.urls(item)
    local urls = {}
    for _, endpoint in ipairs(item.endpoints or {}) do
        if type(endpoint.url) == "string" then urls[#urls + 1] = text(endpoint.url) end
    end
    return urls
end

-- A status with its reason, without saying a word twice: "failed: no such image", "pulling nginx:1".
function workload.said(status, reason)
    status, reason = text(status), text(reason)
    if reason == "" or reason == status or (status == "running" and reason == "healthy") then return status, "" end
    local again = status ~= "failed" and reason:sub(1, #status + 1) == status .. " "
    if again then return status, reason:sub(#status + 1) end
    return status, ": " .. reason
end

-- Which step of its way it is at, and that in words: "pulling", "web: pulling 12.3 of 45.0 MB".
function workload.step(item)
    local parts = {}
    for _, allocation in ipairs(item.allocations or {}) do
        local observed = type(allocation.observed) == "table" and allocation.observed or {}
        local progress = text(observed.progress)
        if progress ~= "" and allocation.status == item.status then parts[#parts + 1] = progress end
    end
    local reason = #parts > 0 and table.concat(parts, ", ") or item.reason
    return text(item.status) .. "\0" .. text(item.reason),
        ("%s: %s%s"):format(text(item.name), workload.said(item.status, reason))
end

return workload
