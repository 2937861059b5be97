-- Waiting until a workload is what was asked for, with progress.
--
-- It reads the workload again and again, which goes on by itself over a console that is restarted meanwhile. What can
-- pass (no room, an engine that is down, an image registry that does not answer) is waited for until the time is up.
-- `failed` ends the wait when it has not become better within FAILED_MS: the agent tries again several times in it.
-- A task is waited for until it completed, and has failed when all its runs did: nothing becomes better then.
-- What runs without a health check may end at once: after SETTLE_MS it is looked at once more.

local problem = require "cli.problem"
local units = require "cli.units"
local workload = require "cli.workload"

local wait = {}

local PAUSE_MIN_MS, PAUSE_MAX_MS = 50, 250
local FAILED_MS = 10 * 1000
local SETTLE_MS = 1000
local LAST_LINES, LAST_BYTES_MAX = 5, 4096 -- of what a failed one wrote
local SILENCE_MS = 2000 -- a console that cannot be reached for longer is told of

wait.flags = {
    { name = "detach", help = "do not wait until it is done" },
    { name = "wait-timeout", value = "TIME", help = "how long to wait at most: 90s, 5m (default 5m)" },
}

-- Returns the time that --wait-timeout says.
function wait.timeout_ms(context, options)
    local given = options.wait_timeout or "5m"
    local ms = context.system.duration(given)
    if not ms or ms == 0 then
        problem.usage(("--wait-timeout takes a time such as 90s or 5m, not '%s'."):format(given))
    end
    return ms
end

-- Shows what a failed workload wrote last, if that can be had.
local function show_last_words(context, item)
    local text = ""
    local target = workload.path(context.system, item.id, "logs") .. "?tail=" .. LAST_LINES
    local ok, ended = pcall(function()
        return context:console():stream(target, function(bytes) text = (text .. bytes):sub(-LAST_BYTES_MAX) end)
    end)
    if not ok or not ended or not text:find "%S" then return end
    context.out:note("It wrote last:")
    for line in text:gmatch "[^\n]+" do context.out:note("  " .. units.clean(line)) end
end

-- Whether a container of it ever ran: what never did wrote nothing.
local function has_started(item)
    for _, allocation in ipairs(item.allocations or {}) do
        local observed = type(allocation.observed) == "table" and allocation.observed or {}
        if (tonumber(observed.starts) or 0) > 0 then return true end
    end
    return false
end

-- What to do about one that failed.
local function remedy(item)
    local name = item.name
    if workload.is_finished(item) then
        return ("`lattice logs %s` shows what it wrote; `lattice restart %s` runs it again."):format(name, name)
    end
    local kept = ("It is kept and tried again; `lattice rm %s` removes it."):format(name)
    return has_started(item) and ("`lattice logs %s` shows what it wrote. "):format(name) .. kept or kept
end

local function give_up(context, item, goal, waited_ms)
    local status, reason = units.clean(item.status), units.clean(item.reason or "")
    local because = reason ~= "" and ": " .. reason:gsub("%.$", "") or ""
    if status == "failed" then
        context.out:clear()
        if #(item.allocations or {}) > 0 then show_last_words(context, item) end
        problem.raise {
            code = "failed",
            detail = ("'%s' failed%s."):format(item.name, because),
            hint = remedy(item),
        }
    end
    local waited = units.age(waited_ms)
    problem.raise {
        code = "timeout",
        detail = ("'%s' is still %s after %s, not %s%s."):format(item.name, status, waited, goal, because),
        hint = status == "pending" and ("`lattice explain %s` says why no node takes it."):format(item.name)
            or ("`lattice show %s` says how it stands; nothing was taken back."):format(item.name),
    }
end

local function read_until(context, path, deadline)
    local console = context:console()
    local _, start = context.system.now()
    console.on_retry = function(raised)
        local _, now = context.system.now()
        if now - start > SILENCE_MS then
            context.out:progress("silence", "the console does not answer; trying again: " .. units.clean(raised.detail))
        end
    end
    local ok, item, text = pcall(console.get, console, path, { patience_ms = math.max(0, deadline - start) })
    console.on_retry = nil
    if ok then return item, text end
    if problem.is(item) and item.code == "not_found" then return nil end
    error(item, 0)
end

-- How often its instances were started, if one of them runs without anything that says that it is well.
local function starts_unchecked(item)
    local starts, unchecked = 0, false
    for _, allocation in ipairs(item.allocations or {}) do
        local observed = type(allocation.observed) == "table" and allocation.observed or {}
        starts = starts + (tonumber(observed.starts) or 0)
        unchecked = unchecked or allocation.reason ~= "healthy"
    end
    return unchecked and starts or nil
end

-- Waits until the workload with this id has the status `goal` ("removed": until it is gone), for at most timeout_ms.
-- Returns it and its JSON (nil when gone). What is said to be a goal of `running` is `completed` for a task.
function wait.until_status(context, id, goal, timeout_ms)
    local path = workload.path(context.system, id)
    local _, start = context.system.now()
    local deadline, pause, failed_at = start + timeout_ms, PAUSE_MIN_MS, nil
    local seen_starts
    context.out.farewell = "It goes on without you; `lattice ps` says how it stands."
    while true do
        local item, text = read_until(context, path, deadline)
        local _, now = context.system.now()
        if not item then
            context.out:clear()
            if goal == "removed" then return nil end
            problem.raise { code = "not_found", detail = "It was removed meanwhile." }
        end
        if goal == "running" and item.kind == "task" then goal = "completed" end
        local starts = item.status == goal and goal == "running" and starts_unchecked(item)
        if item.status == goal and (not starts or starts == seen_starts or now >= deadline) then
            context.out:clear()
            return item, text
        end
        if starts then
            seen_starts, pause = starts, SETTLE_MS
        else
            context.out:progress(workload.step(item))
        end
        if item.status == "failed" then
            failed_at = failed_at or now
            if now - failed_at >= FAILED_MS or workload.is_finished(item) then
                give_up(context, item, goal, now - start)
            end
        end
        if now >= deadline then give_up(context, item, goal, now - start) end
        problem.check(context.system.sleep(math.min(pause, math.max(1, deadline - now))))
        pause = math.min(PAUSE_MAX_MS, pause * 3 // 2)
    end
end

return wait
