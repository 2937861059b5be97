-- What was used, in steps of time: for `stats --since` and `node stats`.

local problem = require "cli.problem"
local units = require "cli.units"

local past = {}

local ROWS = 24 -- that are asked for where nobody says a step
local SECONDS_MAX = 100 * 366 * 86400
local STEPS = { 30, 60, 120, 300, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800 }
local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }

past.FLAGS = {
    { name = "since", value = "TIME", help = "what was used since then, in steps: 30m, 6h, 7d" },
    { name = "step", value = "TIME", help = "with --since: the time of one line, such as 5m (default: some 24 lines)" },
}

-- "90m" -> 5400
local function seconds(flag, text)
    local number, unit = tostring(text):match "^(%d+%.?%d*)([smhd]?)$"
    local value = number and math.floor(tonumber(number) * UNITS[unit == "" and "s" or unit]) or 0
    if value < 1 or value > SECONDS_MAX then
        problem.usage(("--%s takes a time such as 30m, 6h or 7d, not '%s'."):format(flag, text))
    end
    return value
end

local function step_for(span)
    for _, step in ipairs(STEPS) do
        if span <= step * ROWS then return step end
    end
    return STEPS[#STEPS]
end

-- The path of metrics with the query that the options ask for.
function past.target(path, options)
    local span = seconds("since", options.since or "1h")
    local step = options.step and seconds("step", options.step) or step_for(span)
    return ("%s?from=%ds&step=%ds"):format(path, span, step)
end

local function rate(bytes) return units.size(bytes) .. "/s" end
local function percent(value) return ("%.1f %%"):format(value) end
local function plain(value) return ("%.2f"):format(value) end

-- Heading, measure, column of it, how it is shown.
local COLUMNS = {
    { "CPU", "cpu_percent", "avg", percent }, { "MAX", "cpu_percent", "max", percent },
    { "MEMORY", "memory_bytes", "avg", units.size }, { "LOAD", "load", "avg", plain },
    { "DISK", "disk_used_bytes", "last", units.size },
    { "RECEIVED", "network_rx_bytes", "per_second", rate }, { "SENT", "network_tx_bytes", "per_second", rate },
    { "READ", "block_read_bytes", "per_second", rate }, { "WRITTEN", "block_written_bytes", "per_second", rate },
}

local function columns_of(measures)
    local columns = {}
    for _, column in ipairs(COLUMNS) do
        if type(measures[column[2]]) == "table" then columns[#columns + 1] = column end
    end
    return columns
end

-- The lines of one item: those steps in which anything was measured.
local function rows_of(item, columns, from_ms, step_ms, count)
    local rows = {}
    for index = 1, count do
        local row, is_there = { os.date("!%Y-%m-%d %H:%M:%S", (from_ms + (index - 1) * step_ms) // 1000) }, false
        for at, column in ipairs(columns) do
            local value = (item.measures[column[2]][column[3]] or {})[index]
            is_there = is_there or type(value) == "number"
            row[at + 1] = type(value) == "number" and column[4](value) or ""
        end
        if is_there then rows[#rows + 1] = row end
    end
    return rows
end

-- Prints the answer to a target; `instance`: of that one alone.
function past.show(context, options, target, instance)
    local answer, text = context:console():get(target)
    if options.json then
        context.out:line(text)
        return
    end
    local from_ms, to_ms = context.system.time(answer.from), context.system.time(answer.to)
    local shown = 0
    for _, item in ipairs(answer.items or {}) do
        local columns = columns_of(item.measures or {})
        local rows = rows_of(item, columns, from_ms, answer.step_ms, (to_ms - from_ms) // answer.step_ms)
        if #rows > 0 and (instance == nil or item.ordinal == instance) then
            local heading = { "TIME (UTC)" }
            for at, column in ipairs(columns) do heading[at + 1] = column[1] end
            if shown > 0 then context.out:line("") end
            if #answer.items > 1 then
                context.out:line(context.out:paint("bold",
                    ("instance %d on %s"):format(item.ordinal, units.clean(item.node))))
            end
            context.out:table(heading, rows)
            shown = shown + 1
        end
    end
    if shown == 0 then context.out:note("Nothing was measured in that time.") end
end

return past
