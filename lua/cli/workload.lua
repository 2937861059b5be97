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

-- How many of the instances run: "1/2".
function workload.instances(item)
    local running = 0
    for _, allocation in ipairs(item.allocations or {}) do
        if allocation.status == "running" then running = running + 1 end
    end
    return ("%d/%d"):format(running, item.count or 0)
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
