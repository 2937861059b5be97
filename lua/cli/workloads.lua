-- Commands that change workloads which are there: stop, start, restart, scale, label, rm.

local dry_run = require "cli.dry_run"
local problem = require "cli.problem"
local spec = require "cli.spec"
local units = require "cli.units"
local wait = require "cli.wait"
local workload = require "cli.workload"

local SECTION = "Workloads"
local RETRY_MS = 30 * 1000

local function send(context, method, path, body)
    local console = context:console()
    console.on_retry = function() context.out:progress("send", "the connection was lost; sending it again") end
    local item, text = console:call(method, path, body, { patience_ms = RETRY_MS })
    console.on_retry = nil
    return item, text
end

-- Waits where it is asked for and says what came of it.
local function finish(context, options, item, text, goal)
    if not options.detach then
        local done
        done, text = wait.until_status(context, item.id, goal, wait.timeout_ms(context, options))
        if not done then
            text = problem.check(context.json.encode { id = item.id, name = item.name, status = "removed" })
        end
    end
    context.out:line(options.json and text or item.name)
end

local function action(name, goal)
    return function(context, options, operands)
        wait.timeout_ms(context, options)
        for _, one in ipairs(operands.NAME) do
            local item, text = send(context, "POST", workload.path(context.system, one, name))
            finish(context, options, item, text, goal)
        end
    end
end

local function scale(context, options, operands)
    local count = math.tointeger(tonumber(operands.COUNT))
    if not count or count < 1 then
        problem.usage(("COUNT is a whole number from 1, not '%s'."):format(operands.COUNT),
            ("To have none running: lattice stop %s"):format(operands.NAME))
    end
    local path = workload.path(context.system, operands.NAME)
    if options.dry_run then return dry_run(context, options, path .. "/scale", { count = count }) end
    local item = context:console():get(path)
    local gone = (item.count or 0) - count
    if gone > 0 and #workload.volumes(item) > 0 and not options.yes then
        local loss = ("The data of %s of '%s' will be lost."):format(units.count(gone, "instance"), item.name)
        if not context:can_ask() then problem.usage(loss, "Say that it may: --yes") end
        context:confirm(loss .. " Go on?")
    end
    local text
    item, text = send(context, "POST", path .. "/scale", { count = count })
    finish(context, options, item, text, item.desired == "stopped" and "stopped" or "running")
end

local function remove_one(context, options, name)
    local path = workload.path(context.system, name)
    local item = context:console():get(path)
    local volumes = workload.volumes(item)
    if #volumes > 0 and not options.keep_data and not options.yes and context:can_ask() then
        context:confirm(("Remove '%s' and its data (%s)?"):format(item.name, table.concat(volumes, ", ")))
    end
    local text
    item, text = send(context, "DELETE", path .. (options.keep_data and "?keep_data=true" or ""))
    finish(context, options, item, text, "removed")
end

local function rm(context, options, operands)
    wait.timeout_ms(context, options)
    for _, name in ipairs(operands.NAME) do remove_one(context, options, name) end
end

-- NAME=VALUE sets a label, NAME- removes it.
local function label(context, options, operands)
    local labels = spec.labels_change(operands.LABEL, context.json.null)
    local item, text = send(context, "PATCH", workload.path(context.system, operands.NAME), { labels = labels })
    context.out:line(options.json and text or item.name)
end

local function with(flags)
    return table.move(wait.flags, 1, #wait.flags, #flags + 1, flags)
end

local NAMES = { { name = "NAME", many = true } }

return {
    {
        name = "stop", section = SECTION, summary = "Stop workloads; their data and addresses are kept",
        operands = NAMES, flags = wait.flags, run = action("stop", "stopped"),
    },
    {
        name = "start", section = SECTION, summary = "Start workloads that were stopped",
        operands = NAMES, flags = wait.flags, run = action("start", "running"),
    },
    {
        name = "restart", section = SECTION, summary = "Stop workloads and start them again",
        operands = NAMES, flags = wait.flags, run = action("restart", "running"),
    },
    {
        name = "scale",
        section = SECTION,
        summary = "Change how many instances there are",
        operands = { { name = "NAME" }, { name = "COUNT" } },
        flags = with {
            { name = "yes", help = "lose the data of the instances that go" },
            { name = "dry-run", help = "say where they would go, and why not elsewhere; change nothing" },
        },
        details = [[
Where instances with volumes go, their data goes too: that is asked about on a terminal, and needs --yes elsewhere.
With --dry-run the exit status is 7 unless all that are missing would be placed.]],
        examples = { "lattice scale web 4", "lattice scale web 40 --dry-run" },
        run = scale,
    },
    {
        name = "label",
        section = SECTION,
        summary = "Set and remove labels of a workload",
        operands = { { name = "NAME" }, { name = "LABEL", many = true } },
        details = [[
A LABEL is NAME=VALUE to set one, and NAME- to remove it; the others stay. Nothing is restarted by it.]],
        examples = { "lattice label web tier=front owner-", "lattice ps --label tier=front" },
        run = label,
    },
    {
        name = "rm",
        section = SECTION,
        summary = "Remove workloads and their data",
        operands = NAMES,
        flags = with {
            { name = "keep-data", help = "leave the volumes on the node" },
            { name = "yes", help = "do not ask about the data" },
        },
        examples = { "lattice rm my-db --keep-data" },
        run = rm,
    },
}
