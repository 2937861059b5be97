-- deploy and the commands that change and show workloads, against a console that answers from a script.

local fakes = require "tests.lua.cli.fakes"

local function item(status, more)
    local made = { id = "w1", name = "web", project = "me", type = "custom", status = status, reason = "", count = 2,
        desired = "running", allocations = {}, endpoints = {}, volumes = {}, credentials = {},
        created_at = "2026-11-21T00:00:00.000Z" }
    for key, value in pairs(more or {}) do made[key] = value end
    return made
end

local ENDPOINT = { name = "http", host = "1.2.3.4", port = 20000, public = true, url = "https://1.2.3.4:20000" }
local CLOSED = { error = { code = "closed", detail = "Closed." } }
local NOT_FOUND = { 404, { code = "not_found", detail = "There is no workload 'w1'." } }

local function targets(ran)
    local list = {}
    for index, call in ipairs(ran.calls) do list[index] = call.method .. " " .. call.target end
    return list
end

describe("deploy", function()
    it("waits with progress, and prints the addresses alone", function()
        local ran = fakes.run("deploy custom web --image nginx:1 --count 2", { script = {
            { 201, item "pending" },
            { 200, item("placing") },
            { 200, item("pulling", { allocations = {
                { status = "pulling", observed = { progress = "12 of 45 MB" } },
            } }) },
            { 200, item("running", { endpoints = { ENDPOINT } }) },
        } })
        assert.is_true(ran.ok)
        assert.are.equal("https://1.2.3.4:20000\n", ran.stdout)
        assert.are.equal("web: placing\nweb: pulling: 12 of 45 MB\n", ran.stderr)
        assert.are.same({ type = "custom", name = "web", params = { image = "nginx:1" }, count = 2 },
            fakes.json.decode(ran.calls[1].body))
    end)

    it("says where credentials are that no address holds", function()
        local ran = fakes.run("deploy minio web", { script = {
            { 201, item "pending" }, { 200, item("running", { endpoints = { ENDPOINT }, credentials = { a = "b" } }) },
        } })
        assert.matches("lattice show web", ran.stderr)
    end)

    it("prints the workload with --json", function()
        local ran = fakes.run("deploy custom web --json",
            { script = { { 201, item "pending" }, { 200, item "running" } } })
        assert.are.equal("running", fakes.json.decode(ran.stdout).status)
        assert.are.equal("", ran.stderr)
    end)

    it("waits for the end of a task", function()
        local ran = fakes.run("deploy custom web --task", { script = {
            { 201, item("pending", { kind = "task" }) }, { 200, item("running", { kind = "task" }) },
            { 200, item("running", { kind = "task" }) }, { 200, item("completed", { kind = "task" }) },
        } })
        assert.is_true(ran.ok)
        assert.are.equal("web\n", ran.stdout)
        assert.are.equal("task", fakes.json.decode(ran.calls[1].body).kind)
    end)

    it("fails at once when a task has failed for good, and not while it is tried again", function()
        local function failed(observed)
            return { 200, item("failed", { kind = "task", reason = "it ended with status 3", allocations = {
                { status = "failed", observed = observed },
            } }) }
        end
        local tried = { starts = 1, exit_status = 3 }
        local ended = { starts = 2, exit_status = 3, finished = true }
        local ran = fakes.run("deploy custom web --task --retries 1", { script = {
            { 201, item("pending", { kind = "task" }) }, failed(tried), failed(tried), failed(ended), NOT_FOUND,
        } })
        assert.is_false(ran.ok)
        assert.are.equal("failed", ran.raised.code)
        assert.matches("it ended with status 3", ran.raised.detail)
        assert.matches("lattice restart web", ran.raised.hint)
    end)

    it("does not wait with --detach", function()
        local ran = fakes.run("deploy custom web --detach", { script = { { 201, item "pending" } } })
        assert.are.equal("web\n", ran.stdout)
        assert.are.equal(1, #ran.calls)
    end)

    it("sends again with the same key when the answer was lost", function()
        local posts = 0
        local ran = fakes.run("deploy custom web", { script = { function(call)
            if call.method == "GET" then return { 200, item "running" } end
            posts = posts + 1
            assert.are.equal("key-1", call.headers["idempotency-key"])
            if posts == 1 then return { 503, { code = "unavailable", detail = "Stopping." } } end
            return posts == 2 and CLOSED or { 201, item "pending" }
        end } })
        assert.is_true(ran.ok)
        assert.are.equal(3, posts)
    end)

    it("waits over a console that is gone for a while", function()
        local script = { { 201, item "pending" }, { 200, item "pulling" } }
        for _ = 1, 40 do script[#script + 1] = CLOSED end
        script[#script + 1] = { 200, item "running" }
        local ran = fakes.run("deploy custom web", { script = script })
        assert.is_true(ran.ok)
        assert.matches("the console does not answer; trying again", ran.stderr)
    end)

    it("ends when it stays failed, with the reason", function()
        local ran = fakes.run("deploy custom web", { script = {
            { 201, item "pending" }, { 200, item("failed", { reason = "There is no image nope:1." }) },
        } })
        assert.is_false(ran.ok)
        assert.are.equal("failed", ran.raised.code)
        assert.are.equal("'web' failed: There is no image nope:1.", ran.raised.detail)
        assert.are.equal("It is kept and tried again; `lattice rm web` removes it.", ran.raised.hint)
        assert.are.equal("", ran.stdout)
    end)

    it("points to what it wrote, when a failed one had come so far as to run", function()
        local ran = fakes.run("deploy custom web", { script = {
            { 201, item "pending" },
            { 200, item("failed", { allocations = { { observed = { starts = 2 } } } }) },
        } })
        assert.matches("^`lattice logs web` shows what it wrote%. It is kept", ran.raised.hint)
    end)

    it("looks once more at what runs without a check, and shows what it wrote when it ended", function()
        local function one(status, reason, starts)
            return item(status, { reason = reason, allocations = {
                { status = status, reason = reason, observed = { starts = starts } },
            } })
        end
        local ended = "it ended by itself with status 3; starts again in 1 s"
        local ran = fakes.run("deploy custom web", { script = { function(call)
            if call.method == "POST" then return { 201, item "pending" } end
            if call.target:find "/logs" then return { 200, "no such\27 file\ngiving up\n" } end
            return { 200, one("failed", ended, 1) }
        end } })
        assert.are.equal("failed", ran.raised.code)
        assert.matches("ended by itself with status 3", ran.raised.detail)
        assert.matches("It wrote last:\n  no such%? file\n  giving up\n", ran.stderr)

        local looks = 0
        ran = fakes.run("deploy custom web", { script = { function(call)
            if call.method == "POST" then return { 201, item "pending" } end
            if call.target:find "/logs" then return CLOSED end
            looks = looks + 1
            return { 200, looks == 1 and one("running", "", 1) or one("failed", ended, 1) }
        end } })
        assert.are.equal("failed", ran.raised.code)

        looks = 0
        ran = fakes.run("deploy custom web", { script = { function(call)
            if call.method == "POST" then return { 201, item "pending" } end
            looks = looks + 1
            return { 200, one("running", "", looks < 3 and looks or 3) } -- started again between two looks
        end } })
        assert.is_true(ran.ok)
        assert.are.equal(4, looks)
    end)

    it("does not wait longer for what is healthy", function()
        local ran = fakes.run("deploy custom web", { script = {
            { 201, item "pending" },
            { 200, item("running", { allocations = {
                { status = "running", reason = "healthy", observed = { starts = 1 } },
            } }) },
        } })
        assert.is_true(ran.ok)
        assert.are.equal(2, #ran.calls)
    end)

    it("goes on when a failure passes", function()
        local script = { { 201, item "pending" } }
        for _ = 1, 8 do script[#script + 1] = { 200, item("failed", { reason = "ended by itself" }) } end
        script[#script + 1] = { 200, item "running" }
        assert.is_true(fakes.run("deploy custom web", { script = script }).ok)
    end)

    it("waits for room until the time is up, and says why", function()
        local ran = fakes.run("deploy custom web --wait-timeout 60s", { script = {
            { 201, item "pending" }, { 200, item("pending", { reason = "no node has joined yet" }) },
        } })
        assert.are.equal("timeout", ran.raised.code)
        assert.are.equal("'web' is still pending after 1m, not running: no node has joined yet.", ran.raised.detail)
        assert.matches("lattice explain web", ran.raised.hint)
    end)

    it("tolerates a status that it does not know", function()
        local ran = fakes.run("deploy custom web", { script = {
            { 201, item "pending" }, { 200, item "levitating" }, { 200, item "running" },
        } })
        assert.is_true(ran.ok)
        assert.matches("web: levitating", ran.stderr)
    end)

    it("says that it was removed meanwhile", function()
        local ran = fakes.run("deploy custom web", { script = { { 201, item "pending" }, NOT_FOUND } })
        assert.matches("removed meanwhile", ran.raised.detail)
    end)

    it("asks for nothing before the words are right", function()
        local ran = fakes.run("deploy custom web --wait-timeout soon", { script = {} })
        assert.matches("%-%-wait%-timeout takes a time", ran.raised.detail)
        assert.are.same({}, ran.calls)
    end)
end)

describe("stop, start and restart", function()
    it("wait for what they are for, one workload after the other", function()
        local ran = fakes.run("stop a/b web", { script = {
            { 202, item "stopping" }, { 200, item "stopped" }, { 202, item "stopping" }, { 200, item "stopped" },
        } })
        assert.are.same({ "POST /api/v1/workloads/a%2Fb/stop", "GET /api/v1/workloads/w1",
            "POST /api/v1/workloads/web/stop", "GET /api/v1/workloads/w1" }, targets(ran))
        assert.are.equal("web\nweb\n", ran.stdout)
        assert.is_true(fakes.run("restart web", { script = { { 202, item "starting" }, { 200, item "running" } } }).ok)
    end)
end)

describe("scale", function()
    local DATA = { volumes = { { name = "data", path = "/x" } } }

    it("grows without a question", function()
        local ran = fakes.run("scale web 3", { script = {
            { 200, item("running", DATA) }, { 202, item "placing" }, { 200, item "running" },
        } })
        assert.is_true(ran.ok)
        assert.are.same({ count = 3 }, fakes.json.decode(ran.calls[2].body))
    end)

    it("wants --yes where data would be lost and nobody can be asked", function()
        local ran = fakes.run("scale web 1", { script = { { 200, item("running", DATA) } } })
        assert.are.equal("invalid", ran.raised.code)
        assert.matches("data of 1 instance of 'web' will be lost", ran.raised.detail)
        assert.are.equal(1, #ran.calls)
        assert.is_true(fakes.run("scale web 1 --yes --detach", { script = {
            { 200, item("running", DATA) }, { 202, item "placing" },
        } }).ok)
    end)

    it("asks on a terminal", function()
        local function answer(text)
            return fakes.run("scale web 1 --detach", {
                script = { { 200, item("running", DATA) }, { 202, item "placing" } },
                terminal = { stdin = true, stderr = true, answers = { text } },
            })
        end
        assert.is_true(answer("y").ok)
        assert.matches("Nothing was changed", answer("").raised.detail)
    end)

    it("shrinks what keeps no data without a question", function()
        local ran = fakes.run("scale web 1 --detach", { script = { { 200, item "running" }, { 202, item "placing" } } })
        assert.is_true(ran.ok)
    end)

    it("says how to have none", function()
        assert.matches("lattice stop web", fakes.run("scale web 0", {}).raised.hint)
    end)

    it("waits for stopped where the workload is stopped", function()
        local stopped = { desired = "stopped" }
        assert.is_true(fakes.run("scale web 5", { script = {
            { 200, item("stopped", stopped) }, { 202, item("stopped", stopped) }, { 200, item("stopped", stopped) },
        } }).ok)
    end)
end)

describe("rm", function()
    local DATA = { volumes = { { name = "data", path = "/x" } } }
    local function script(more) return { { 200, item("running", more) }, { 202, item "removing" }, NOT_FOUND } end

    it("waits until it is gone", function()
        local ran = fakes.run("rm web", { script = script() })
        assert.are.same({ "GET /api/v1/workloads/web", "DELETE /api/v1/workloads/web", "GET /api/v1/workloads/w1" },
            targets(ran))
        assert.are.equal("web\n", ran.stdout)
    end)

    it("asks about data on a terminal, and not elsewhere", function()
        local terminal = { stdin = true, stderr = true, answers = { "no" } }
        local ran = fakes.run("rm web", { script = script(DATA), terminal = terminal })
        assert.is_false(ran.ok)
        assert.are.equal("Remove 'web' and its data (data)? [y/N] ", ran.asked)
        assert.are.equal(1, #ran.calls)
        assert.is_true(fakes.run("rm web", { script = script(DATA) }).ok)
    end)

    it("does not ask with --yes, with --keep-data, and where there is no data", function()
        local terminal = { stdin = true, stderr = true }
        assert.is_true(fakes.run("rm web --yes", { script = script(DATA), terminal = terminal }).ok)
        assert.is_true(fakes.run("rm web", { script = script(), terminal = terminal }).ok)
        local ran = fakes.run("rm web --keep-data", { script = script(DATA), terminal = terminal })
        assert.are.equal("DELETE /api/v1/workloads/web?keep_data=true", targets(ran)[2])
        assert.is_nil(terminal.asked)
    end)

    it("answers with --json", function()
        local ran = fakes.run("rm web --json", { script = script() })
        assert.are.same({ id = "w1", name = "web", status = "removed" }, fakes.json.decode(ran.stdout))
    end)
end)

describe("ps", function()
    local function list(items) return { script = { { 200, { items = items } } } } end

    it("shows what counts, and reasons where there are some", function()
        local ran = fakes.run("ps", list {
            item("running", { endpoints = { ENDPOINT, ENDPOINT },
                allocations = { { node = "n1", status = "running" }, { node = "n2", status = "starting" } } }),
        })
        assert.are.equal("NAME   TYPE     STATUS    COUNT   NODE    ADDRESS            AGE\n"
            .. "web    custom   running   1/2     n1,n2   1.2.3.4:20000 +1   1m\n", ran.stdout)
        ran = fakes.run("ps", list { item("failed", { reason = "no\27image" }) })
        assert.matches("REASON\n.*no%?image\n$", ran.stdout)
    end)

    it("shows projects when there are several", function()
        local ran = fakes.run("ps", list { item("running"), item("running", { project = "you", name = "a" }) })
        assert.matches("^PROJECT   NAME.*\nme        web.*\nyou       a", ran.stdout)
    end)

    it("is an array with --json, credentials and all", function()
        local ran = fakes.run("ps --json", list { item "running", item "levitating" })
        assert.are.equal("levitating", fakes.json.decode(ran.stdout)[2].status)
        assert.are.equal("GET /api/v1/workloads?credentials=true", targets(ran)[1])
        assert.are.equal("[]\n", fakes.run("ps --json", list {}).stdout)
    end)
end)

describe("logs", function()
    it("asks for what the flags say and hands the bytes on", function()
        local ran = fakes.run("logs web -f -n 5 --instance 1 -t", { script = { { 200, "one\ntwo\n" } } })
        assert.are.equal("one\ntwo\n", ran.stdout)
        assert.are.equal("GET /api/v1/workloads/web/logs?follow=true&tail=5&instance=1&timestamps=true",
            targets(ran)[1])
        assert.are.equal(-1, ran.calls[1].idle_ms)
    end)

    it("follows again over a lost connection, without the lines that were shown", function()
        local ran = fakes.run("logs web -f", { script = {
            { 200, "one\n", broken = CLOSED.error }, CLOSED, { 200, "two\n" },
        } })
        assert.is_true(ran.ok)
        assert.are.equal("one\ntwo\n", ran.stdout)
        assert.matches("tail=0", ran.calls[3].target)
    end)

    it("does not call half a log a whole one", function()
        local ran = fakes.run("logs web", { script = { { 200, "one\n", broken = CLOSED.error } } })
        assert.are.equal("closed", ran.raised.code)
    end)

    it("refuses a tail that is none", function()
        assert.matches("%-%-tail takes", fakes.run("logs web --tail few", {}).raised.detail)
    end)
end)

describe("deploy --dry-run", function()
    local function answer(placed)
        return { dry_run = true, would_place = placed == 2, count = 2, wanted = 2, placed = placed, replaced = 0,
            removed = 0, reason = "no room", policy = "placement 1", nodes = { { name = "n1", instances = placed } },
            receipt = { fix = "n1 lacks a lot." } }
    end

    it("says where it would go, and sends nothing else", function()
        local ran = fakes.run("deploy custom web --count 2 --dry-run", { script = { { 200, answer(2) } } })
        assert.is_true(ran.ok)
        assert.are.same({ "POST /api/v1/workloads?dry_run=true" }, targets(ran))
        assert.matches("dry run   2 of 2 instances would be placed; nothing was changed\n", ran.stdout, 1, true)
        assert.matches("on        n1 x2\n", ran.stdout, 1, true)
    end)

    it("ends with the status of no_node where not all would be placed", function()
        local ran = fakes.run("deploy custom web --count 2 --dry-run", { script = { { 200, answer(1) } } })
        assert.is_false(ran.ok)
        assert.are.equal(7, ran.raised.status)
        assert.matches("fix        n1 lacks a lot.", ran.stdout, 1, true)
        ran = fakes.run("deploy custom web --count 2 --dry-run --json", { script = { { 200, answer(1) } } })
        assert.are.equal(7, ran.raised.status)
        assert.is_true(fakes.json.decode(ran.stdout).dry_run)
    end)
end)

describe("scale --dry-run", function()
    local function run(answer)
        answer.dry_run, answer.policy, answer.nodes = true, "placement 1", {}
        return fakes.run("scale web 4 --dry-run", { script = { { 200, answer } } })
    end

    it("says where more would go, and sends nothing else", function()
        local ran = run { would_place = true, count = 4, wanted = 2, placed = 2, replaced = 0, removed = 0 }
        assert.are.same({ "POST /api/v1/workloads/web/scale?dry_run=true" }, targets(ran))
        assert.matches("2 of 2 instances would be placed; nothing was changed", ran.stdout, 1, true)
    end)

    it("says what would go", function()
        local ran = run { would_place = true, count = 4, wanted = 0, placed = 0, replaced = 0, removed = 3 }
        assert.is_true(ran.ok)
        assert.matches("3 instances would go; nothing was changed", ran.stdout, 1, true)
        assert.not_matches("policy", ran.stdout, 1, true)
    end)

    it("says so where nothing would change", function()
        local ran = run { would_place = true, count = 4, wanted = 0, placed = 0, replaced = 0, removed = 0 }
        assert.matches("nothing would change", ran.stdout, 1, true)
    end)
end)

describe("label", function()
    it("sets and removes", function()
        local ran = fakes.run("label web tier=front url=a=b owner-", { script = { { 200, item "running" } } })
        assert.are.equal("web\n", ran.stdout)
        assert.are.same({ "PATCH /api/v1/workloads/web" }, targets(ran))
        assert.matches('"owner":null', ran.calls[1].body, 1, true)
        local sent = fakes.json.decode(ran.calls[1].body).labels
        assert.are.equal("front", sent.tier)
        assert.are.equal("a=b", sent.url)
    end)

    it("says what a label looks like", function()
        local ran = fakes.run("label web tier", { script = {} })
        assert.is_false(ran.ok)
        assert.matches("NAME=VALUE", ran.raised.detail, 1, true)
    end)
end)

describe("ps --label", function()
    it("asks for those that have all of them", function()
        local ran = fakes.run("ps --label tier=front --label a/b",
            { script = { { 200, { items = fakes.json.array {} } } } })
        assert.are.same({ "GET /api/v1/workloads?label=tier%3Dfront&label=a%2Fb" }, targets(ran))
        assert.matches("No workload has these labels", ran.stderr, 1, true)
    end)
end)
