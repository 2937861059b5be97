-- Commands about nodes: node ls, show, stats, explain, approve, reject, rm, join-token.

local explain = require "cli.explain"
local past = require "cli.past"
local problem = require "cli.problem"
local spec = require "cli.spec"
local units = require "cli.units"

local SECTION = "Nodes"

local function path_of(context, name)
    return "/api/v1/nodes/" .. context.system.escape(name)
end

local function since(context, time)
    local at = type(time) == "string" and context.system.time(time)
    return at and units.age((context.system.now()) - at) or ""
end

local function used(part, whole, format)
    if (whole or 0) == 0 then return "" end
    return ("%s of %s"):format(format(part or 0), format(whole))
end

local function disk_used(node)
    return used((node.disk_bytes or 0) - (node.disk_free_bytes or 0), node.disk_bytes, units.size)
end

local function ls(context, options)
    local items, texts = context:console():list "/api/v1/nodes"
    if options.json then
        context.out:line("[" .. table.concat(texts, ",") .. "]")
        return
    end
    table.sort(items, function(a, b) return a.name < b.name end)
    local rows = {}
    for index, node in ipairs(items) do
        rows[index] = {
            units.clean(node.name), context.out:status(units.clean(node.status)), units.clean(node.pool or ""),
            tostring(node.allocations or ""), used(node.reserved_cpu_milli, node.cpu_milli, units.cpu),
            used(node.reserved_memory_bytes, node.memory_bytes, units.size), disk_used(node),
            since(context, node.joined_at), node.status ~= "ready" and units.clean(node.reason or "") or "",
        }
    end
    context.out:table({ "NAME", "STATUS", "POOL", "INSTANCES", "CPU", "MEMORY", "DISK", "AGE", "REASON" }, rows)
    if #items == 0 then context.out:note("No machine has joined yet: lattice node join-token") end
end

local function stats(context, options, operands)
    past.show(context, options, past.target(path_of(context, operands.NAME) .. "/metrics", options))
end

-- "T4 16 GiB, T4 16 GiB"
local function devices(node)
    local parts = {}
    for _, device in ipairs(type(node.gpus) == "table" and node.gpus or {}) do
        local model = device.model ~= "" and device.model or device.vendor
        local memory = (device.memory_bytes or 0) > 0 and " " .. units.size(device.memory_bytes) or ""
        parts[#parts + 1] = units.clean(model or "") .. memory
    end
    return table.concat(parts, ", ")
end

-- "mon-fri 18:00-08:00; not now, from 2026-11-23 18:00:00"
local function available(node)
    local parts = {}
    if (node.hours or "") ~= "" then parts[1] = units.clean(node.hours) end
    if type(node.available_until) == "string" then
        parts[#parts + 1] = "until " .. units.moment(node.available_until)
    end
    if #parts > 0 and node.available == false then
        local opens = type(node.opens_at) == "string" and ", from " .. units.moment(node.opens_at) or ""
        parts[#parts + 1] = "not now" .. opens
    end
    return table.concat(parts, "; ")
end

local function show(context, options, operands)
    local node, text = context:console():get(path_of(context, operands.NAME))
    if options.json then
        context.out:line(text)
        return
    end
    local reason = units.clean(node.reason or "")
    context.out:line(("%s   %s%s"):format(context.out:paint("bold", units.clean(node.name)),
        context.out:status(units.clean(node.status)), reason ~= "" and ": " .. reason or ""))
    context.out:fields({
        { "pool", units.clean(node.pool or "") },
        { "labels", units.labels(node.labels) },
        { "system", units.clean(node.os or "") },
        { "architecture", units.clean(node.architecture or "") },
        { "engine", units.clean(node.engine_version or "") },
        { "agent", units.clean(node.agent_version or "") },
        { "attributes", units.labels(node.attributes) },
        { "devices", devices(node) },
        { "line", (node.bandwidth_bps or 0) > 0 and units.rate(node.bandwidth_bps) or "" },
        { "power", node.on_battery and "on battery" or "" },
        { "available", available(node) },
        { "instances", tostring(node.allocations or "") },
        { "cpu", used(node.reserved_cpu_milli, node.cpu_milli, units.cpu) },
        { "memory", used(node.reserved_memory_bytes, node.memory_bytes, units.size) },
        { "disk", disk_used(node) },
        { "joined", units.moment(node.joined_at) },
        { "seen", units.moment(node.seen_at) },
        { "id", units.clean(node.id) },
    }, 2)
end

-- What administrators say of a node.
local function set(context, options, operands)
    local labels = options.label and spec.labels_change(options.label, context.json.null)
    local change = { pool = options.pool, labels = labels }
    local until_when = options.available_until
    if until_when == "always" then
        change.available_until = context.json.null
    elseif until_when then
        change.available_until = until_when
    end
    if options.hours then
        change.hours = options.hours == "always" and context.json.null or options.hours
    end
    if not next(change) then
        problem.usage("Nothing was said of the node.", "Say --label, --pool, --hours or --available-until.")
    end
    local node, text = context:console():call("PATCH", path_of(context, operands.NAME), change)
    context.out:line(options.json and text or units.clean(node.name))
end

-- A command that decides about a node that waits.
local function decide(verb, outcome)
    return function(context, options, operands)
        local node, text = context:console():call("POST", path_of(context, operands.NAME) .. "/" .. verb,
            { reason = options.reason })
        context.out:line(options.json and text or ("%s: %s"):format(units.clean(node.name), outcome))
    end
end

local function rm(context, options, operands)
    if not options.yes and context:can_ask() then
        local loss = options.force and " What its workloads keep there is given up." or ""
        context:confirm(("Shut the node '%s' out? It has to join again to come back.%s"):format(operands.NAME, loss))
    end
    context:console():call("DELETE", path_of(context, operands.NAME) .. (options.force and "?force=true" or ""))
    if options.json then
        context:print_json { name = operands.NAME, status = "removed" }
    else
        context.out:line(operands.NAME)
    end
end

-- "https://host:8443/x" -> "host:8443"
local function host_port(addr)
    local authority = addr:match "^https://([^/]+)"
    return authority:find(":%d+$") and authority or authority .. ":443"
end

local function join_token(context, options)
    local token = context:console():call("POST", "/api/v1/join-tokens",
        { uses = options.uses, life = options.life, node = options.name, pool = options.pool })
    if type(token.token) ~= "string" then
        problem.raise { code = "protocol", detail = "The console's answer has no token in it." }
    end
    local console = host_port(context:console().addr)
    local command = ("lattice-agent --console %s --join-token %s"):format(console, token.token)
    if options.name then command = command .. " --name " .. options.name end
    if options.json then
        token.command = command
        context:print_json(token)
        return
    end
    context.out:line(token.token)
    context.out:note(("\nOn the machine that joins (%s, until %s UTC):\n\n  %s\n"):format(
        units.count(token.uses_left or 1, "node"), units.moment(token.expires_at):sub(1, 16), command))
    local host = console:match "^(.*):%d+$"
    if host:find "^127%." or host == "localhost" or host == "[::1]" then
        context.out:note(("%s is the console on this machine alone: elsewhere, write the name or address that it has"
            .. " there.\n"):format(host))
    end
end

return {
    { name = "node ls", section = SECTION, summary = "List nodes", run = ls },
    {
        name = "node show", section = SECTION, summary = "Show a node",
        operands = { { name = "NAME" } }, run = show,
    },
    {
        name = "node stats", section = SECTION, summary = "Show what a node has used",
        operands = { { name = "NAME" } }, flags = past.FLAGS, run = stats,
    },
    explain.commands[2],
    {
        name = "node set",
        section = SECTION,
        summary = "Say of a node what policies and placements go by",
        operands = { { name = "NAME" } },
        flags = {
            { name = "label", value = "NAME=VALUE", kind = "list", help = "a label; NAME- removes one" },
            { name = "pool", value = "NAME", help = "the pool that it belongs to" },
            { name = "hours", value = "HOURS",
                help = "weekly hours in which its owner lends it: mon-fri 18:00-08:00, sun 00:00-24:00 UTC+01:00" },
            { name = "available-until", value = "TIME",
                help = "when its owner's hours end: 2026-11-21T22:00:00Z, or always; nothing begins on it then" },
        },
        details = [[
What runs there goes on. Labels that its agent was started with come back when it connects.
Hours are days (mon to sun, mon-fri, daily) with a span of time; one that ends before it begins ends on the next day.
They are in UTC, or in the distance to it that is said behind the last one, all year the same. Nothing begins on a node
outside of them: what finds no other place waits until they begin. `always` takes them back.]],
        examples = {
            "lattice node set attic --label zone=home --label ssd-",
            "lattice node set attic --hours 'mon-fri 18:00-08:00, sat-sun 00:00-24:00 UTC+01:00'",
        },
        run = set,
    },
    {
        name = "node approve",
        section = SECTION,
        summary = "Let a node in that waits for an administrator",
        operands = { { name = "NAME" } },
        details = [[
The approval policy leaves some nodes to a person: they are `pending`, and their agents ask again by themselves, at
least every 15 seconds.]],
        run = decide("approve", "approved; it connects by itself"),
    },
    {
        name = "node reject",
        section = SECTION,
        summary = "Shut out a node that waits for an administrator",
        operands = { { name = "NAME" } },
        flags = { { name = "reason", value = "TEXT", help = "why; its owner reads it" } },
        run = decide("reject", "rejected"),
    },
    {
        name = "node rm",
        section = SECTION,
        summary = "Shut a node out",
        operands = { { name = "NAME" } },
        flags = {
            { name = "force", help = "although workloads stand on it: they start anew elsewhere, without their data" },
            { name = "yes", help = "do not ask" },
        },
        details = [[
A node that workloads stand on is refused, unless it is given up for good with --force. What still runs there goes
on, out of the console's sight, until somebody stops it on that machine.]],
        run = rm,
    },
    {
        name = "node join-token",
        section = SECTION,
        summary = "Make a token with which a machine joins",
        flags = {
            { name = "uses", value = "NUMBER", kind = "integer", min = 1,
                help = "how many machines may join with it (default 1)" },
            { name = "life", value = "TIME", help = "how long it is good: 12h, 7d (default 1d)" },
            { name = "name", value = "NODE", help = "the only name that it admits" },
            { name = "pool", value = "POOL", help = "the pool of the machines that join with it" },
        },
        details = [[
Prints the token on stdout, and on stderr the command for the machine that joins. The token pins this console's
certificate authority, so the machine needs nothing else to trust it.]],
        run = join_token,
    },
}
