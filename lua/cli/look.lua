-- Commands that look at workloads: ps, show, logs, stats, explain.

local explain = require "cli.explain"
local past = require "cli.past"
local problem = require "cli.problem"
local units = require "cli.units"
local workload = require "cli.workload"

local SECTION = "Looking at workloads"
local HISTORY_SHOWN = 10
local SPEAKS_FOR_ITSELF = { running = true, stopped = true, completed = true }

local function age(context, time)
    local at = type(time) == "string" and context.system.time(time)
    return at and units.age((context.system.now()) - at) or ""
end

-- ---- ps

local function ps_target(context, options)
    local query = { options.json and "credentials=true" or nil }
    for _, label in ipairs(options.label or {}) do query[#query + 1] = "label=" .. context.system.escape(label) end
    return #query > 0 and "/api/v1/workloads?" .. table.concat(query, "&") or "/api/v1/workloads"
end

local function ps(context, options)
    local items, texts = context:console():list(ps_target(context, options))
    if options.json then
        context.out:line("[" .. table.concat(texts, ",") .. "]")
        return
    end
    local projects, several = nil, false
    for _, item in ipairs(items) do
        several = several or (projects ~= nil and projects ~= item.project)
        projects = item.project
    end
    table.sort(items, function(a, b)
        if a.project ~= b.project then return a.project < b.project end
        return a.name < b.name
    end)
    local rows = {}
    for index, item in ipairs(items) do
        local reason = not SPEAKS_FOR_ITSELF[item.status] and units.clean(item.reason or "") or ""
        rows[index] = {
            several and units.clean(item.project) or "", units.clean(item.name), units.clean(item.type),
            context.out:status(units.clean(item.status)), workload.instances(item),
            table.concat(workload.nodes(item), ","), workload.address(item), age(context, item.created_at), reason,
        }
    end
    context.out:table({ "PROJECT", "NAME", "TYPE", "STATUS", "COUNT", "NODE", "ADDRESS", "AGE", "REASON" }, rows)
    if #items == 0 and options.label then context.out:note("No workload has these labels.")
    elseif #items == 0 then context.out:note("Nothing is deployed yet: lattice help deploy") end
end

-- ---- show

local function heading(context, text)
    context.out:line("")
    context.out:line(context.out:paint("bold", text))
end

local function show_endpoints(context, item)
    local fields = {}
    for _, endpoint in ipairs(item.endpoints or {}) do
        local where = type(endpoint.url) == "string" and units.clean(endpoint.url) or "no public port yet"
        fields[#fields + 1] = { units.clean(endpoint.name), where .. (endpoint.plain and "   (not encrypted)" or "") }
    end
    if #fields == 0 then return end
    heading(context, "Endpoints")
    context.out:fields(fields, 2)
end

local function show_credentials(context, item)
    local names, fields = {}, {}
    if type(item.credentials) ~= "table" then return end
    for name in pairs(item.credentials) do names[#names + 1] = name end
    table.sort(names)
    for index, name in ipairs(names) do fields[index] = { units.clean(name), units.clean(item.credentials[name]) } end
    if #fields == 0 then return end
    heading(context, "Credentials")
    context.out:fields(fields, 2)
end

local function show_instances(context, item)
    local rows = {}
    for index, allocation in ipairs(item.allocations or {}) do
        local observed = type(allocation.observed) == "table" and allocation.observed or {}
        local said = units.clean(allocation.reason or "")
        if observed.progress then said = units.clean(observed.progress) end
        rows[index] = {
            ("  %d"):format(allocation.ordinal), units.clean(allocation.node),
            context.out:status(units.clean(allocation.status)), tostring(observed.starts or ""),
            age(context, allocation.created_at), said,
        }
    end
    if #rows == 0 then return end
    heading(context, "Instances")
    context.out:table({ "  #", "NODE", "STATUS", "STARTS", "AGE", "REASON" }, rows)
end

local function show_history(context, path)
    local history = context:console():get(path .. "/history")
    local items, fields = history.items or {}, {}
    for index = math.max(1, #items - HISTORY_SHOWN + 1), #items do
        local event = items[index]
        fields[#fields + 1] = { units.moment(event.at), ("%s%s"):format(workload.said(event.kind, event.message)) }
    end
    if #fields == 0 then return end
    heading(context, "History")
    context.out:fields(fields, 2)
end

local function limits(item)
    local parts = {}
    if (item.cpu_milli or 0) > 0 then parts[#parts + 1] = units.cpu(item.cpu_milli) .. " processors" end
    if (item.memory_bytes or 0) > 0 then parts[#parts + 1] = units.size(item.memory_bytes) end
    return table.concat(parts, ", ")
end

local function show(context, options, operands)
    local path = workload.path(context.system, operands.NAME)
    local item, text = context:console():get(path)
    if options.json then
        context.out:line(text)
        return
    end
    local status, reason = workload.said(item.status, item.reason)
    context.out:line(("%s   %s%s"):format(context.out:paint("bold", units.clean(item.name)),
        context.out:status(status), reason))
    context.out:fields({
        { "type", units.clean(item.type) },
        { "image", units.clean(item.image or "") },
        { "project", units.clean(item.project) },
        { "kind", workload.kind(item) },
        { "instances", workload.instances(item) },
        { "limits", limits(item) },
        { "reserves", workload.reserves(item) },
        { "placement", workload.placement(item) },
        { "volumes", table.concat(workload.volumes(item), ", ") },
        { "labels", units.labels(item.labels) },
        { "created", ("%s (%s ago)"):format(units.moment(item.created_at), age(context, item.created_at)) },
        { "id", units.clean(item.id) },
    }, 2)
    show_endpoints(context, item)
    show_credentials(context, item)
    show_instances(context, item)
    show_history(context, path)
end

-- ---- logs

local PAUSE_MS = 500

local function logs_target(context, options, operands, tail)
    local query = {}
    local function add(name, value)
        if value ~= nil then query[#query + 1] = name .. "=" .. context.system.escape(tostring(value)) end
    end
    add("follow", options.follow)
    add("tail", tail)
    add("instance", options.instance)
    add("timestamps", options.timestamps)
    add("previous", options.previous)
    add("since", options.since)
    add("until", options["until"])
    add("grep", options.grep)
    local path = workload.path(context.system, operands.NAME, "logs")
    return #query > 0 and path .. "?" .. table.concat(query, "&") or path
end

local function logs(context, options, operands)
    local tail = options.tail
    if tail and tail ~= "all" and not tail:find("^%d+$") then
        problem.usage(("--tail takes a number of lines or 'all', not '%s'."):format(tail))
    end
    local function sink(bytes) context.out:raw(bytes) end
    while true do
        local console = context:console()
        local ended, raised = console:stream(logs_target(context, options, operands, tail), sink)
        if ended then return end
        if not options.follow or not console.reached then problem.raise(raised) end
        if raised.code == "cancelled" then problem.raise(raised) end
        context.out:progress("lost", "lattice: the connection was lost; following again as soon as it is there")
        problem.check(context.system.sleep(PAUSE_MS))
        tail = "0"
    end
end

-- ---- stats

local function stats(context, options, operands)
    if options.since or options.step then
        past.show(context, options, past.target(workload.path(context.system, operands.NAME, "metrics"), options),
            options.instance)
        return
    end
    local target = workload.path(context.system, operands.NAME, "stats")
    if options.instance then target = target .. "?instance=" .. options.instance end
    local use, text = context:console():get(target)
    if options.json then
        context.out:line(text)
        return
    end
    local limit = (use.memory_limit_bytes or 0) > 0 and " of " .. units.size(use.memory_limit_bytes) or ""
    context.out:fields({
        { "processor", use.cpu_percent and ("%.1f %%"):format(use.cpu_percent) or "" },
        { "memory", use.memory_bytes and units.size(use.memory_bytes) .. limit or "" },
        { "received", use.network_rx_bytes and units.size(use.network_rx_bytes) or "" },
        { "sent", use.network_tx_bytes and units.size(use.network_tx_bytes) or "" },
        { "processes", use.pids and tostring(use.pids) or "" },
    }, 0)
end

local NAME = { { name = "NAME" } }
local INSTANCE = { name = "instance", value = "NUMBER", kind = "integer", help = "which instance, from 0 (default 0)" }

return {
    {
        name = "ps", section = SECTION, summary = "List workloads",
        flags = {
            { name = "label", value = "NAME[=VALUE]", kind = "list",
                help = "only those with this label; again for those that have all" },
        },
        details = "With --json an array of what `lattice show --json` gives, credentials included.", run = ps,
    },
    {
        name = "show", section = SECTION, summary = "Show a workload: addresses, credentials, instances, history",
        operands = NAME, run = show,
    },
    {
        name = "logs",
        section = SECTION,
        summary = "Show what a workload wrote",
        operands = NAME,
        flags = {
            { name = "follow", short = "f", help = "go on with what it writes from now on" },
            { name = "tail", short = "n", value = "LINES", help = "begin with its last lines (default all)" },
            INSTANCE,
            { name = "timestamps", short = "t", help = "begin each line with its time" },
            { name = "previous", short = "p", help = "of the container before this one, on whatever node" },
            { name = "since", value = "TIME", help = "kept lines from then on: 10m ago, or 2026-11-21T12:00:00Z" },
            { name = "until", value = "TIME", help = "kept lines from before then" },
            { name = "grep", value = "TEXT", help = "kept lines that contain this text" },
        },
        details = "From its node while that is linked; otherwise, and with the last four flags, what the console kept.",
        examples = { "lattice logs -f --tail 20 web", "lattice logs --since 1h --grep error web" },
        run = logs,
    },
    {
        name = "stats", section = SECTION, summary = "Show what an instance uses now, or what all have used",
        operands = NAME, flags = { INSTANCE, past.FLAGS[1], past.FLAGS[2] },
        examples = { "lattice stats --since 6h web" }, run = stats,
    },
    explain.commands[1],
}
