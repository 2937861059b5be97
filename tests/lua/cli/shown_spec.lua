-- What the commands that only look print, to the letter.

local fakes = require "tests.lua.cli.fakes"

local AT = "2026-11-21T01:02:03.004Z"
local JSON = fakes.json

-- A script that answers by target; others are not found.
local function by_target(answers)
    return { function(call)
        local answer = answers[call.method .. " " .. call.target]
        if answer then return { answer[1], answer[2] } end
        return { 404, { code = "not_found", detail = "There is no such thing." } }
    end }
end

local function got(line, answers, options)
    options = options or {}
    options.script = by_target(answers)
    local ran = fakes.run(line, options)
    assert.is_true(ran.ok, ran.raised and ran.raised.detail)
    return ran.stdout, ran.stderr, ran
end

local function lines(...) return table.concat({ ... }, "\n") .. "\n" end

describe("show of what was asked of nodes", function()
    it("says it as the flags of deploy do", function()
        local stdout = got("show job", {
            ["GET /api/v1/workloads/job"] = { 200, {
                id = "w1", name = "job", project = "me", type = "custom", status = "completed", count = 2,
                created_at = AT, kind = "task", retries = 2, priority = 80,
                disk_bytes = 10 << 30, bandwidth_bps = 2500000000,
                gpus = { count = 0, share_milli = 500, model = "T4", memory_bytes = 16 << 30 }, host_ports = { 9000 },
                placement = {
                    pool = "lab", require = { { key = "zone", operator = "in", values = { "a", "b" } },
                        { key = "ssd", operator = "exists" } },
                    prefer = { { key = "cores", operator = ">", values = { "4" } } },
                    affinity = { { workload = "my-db", by = "zone" } },
                    anti_affinity = { { labels = { tier = "batch" }, weight = 80 } }, spread = { by = "zone" },
                },
                allocations = { { ordinal = 0, node = "n1", status = "completed", created_at = AT, observed = false } },
            } },
            ["GET /api/v1/workloads/job/history"] = { 200, { items = {} } },
        })
        for _, line in ipairs {
            "kind        task, up to 3 runs, priority 80",
            "instances   1/2",
            "reserves    10 GiB of disk, 2.5 Gbit/s, 0.5 of a GPU T4 of 16 GiB, port 9000",
            "placement   pool lab, zone=a,b, ssd, near my-db@zone, rather apart tier=batch:80, spread zone, "
                .. "rather cores>4:50",
        } do
            assert.matches("  " .. line .. "\n", stdout, 1, true)
        end
    end)
end)

describe("show", function()
    local WEB = {
        id = "w1", name = "web", project = "me", type = "custom", image = "nginx:1", status = "starting",
        reason = "waiting until it is healthy", count = 2, cpu_milli = 500, memory_bytes = 64 << 20, created_at = AT,
        volumes = { { name = "data", path = "/x" }, { name = "logs", path = "/y" } },
        endpoints = {
            { name = "http", url = "http://h:1", public = true, plain = true, host = "h", port = 1 },
            { name = "late", url = false, public = true, host = "h" },
        },
        credentials = { user = "app", password = "se\27cret" },
        allocations = {
            { ordinal = 0, node = "n1", status = "running", reason = "healthy", created_at = AT,
                observed = { starts = 3 } },
            { ordinal = 1, node = "n2", status = "pulling", reason = "pulling nginx:1", created_at = AT,
                observed = { progress = "1.0 of 9.0 MB" } },
        },
    }

    it("tells all there is about a workload", function()
        local history = { items = {} }
        for index = 1, 12 do history.items[index] = { at = AT, kind = "starting", message = "try " .. index } end
        history.items[13] = { at = AT, kind = "running", message = "healthy" }
        assert.are.equal(lines(
            "web   starting: waiting until it is healthy",
            "  type        custom",
            "  image       nginx:1",
            "  project     me",
            "  instances   1/2",
            "  limits      0.5 processors, 64 MiB",
            "  volumes     data, logs",
            "  created     2026-11-21 01:02:03 (1m ago)",
            "  id          w1",
            "",
            "Endpoints",
            "  http   http://h:1   (not encrypted)",
            "  late   no public port yet",
            "",
            "Credentials",
            "  password   se?cret",
            "  user       app",
            "",
            "Instances",
            "  #   NODE   STATUS    STARTS   AGE   REASON",
            "  0   n1     running   3        1m    healthy",
            "  1   n2     pulling            1m    1.0 of 9.0 MB",
            "",
            "History",
            "  2026-11-21 01:02:03   starting: try 4",
            "  2026-11-21 01:02:03   starting: try 5",
            "  2026-11-21 01:02:03   starting: try 6",
            "  2026-11-21 01:02:03   starting: try 7",
            "  2026-11-21 01:02:03   starting: try 8",
            "  2026-11-21 01:02:03   starting: try 9",
            "  2026-11-21 01:02:03   starting: try 10",
            "  2026-11-21 01:02:03   starting: try 11",
            "  2026-11-21 01:02:03   starting: try 12",
            "  2026-11-21 01:02:03   running"
        ), (got("show web", {
            ["GET /api/v1/workloads/web"] = { 200, WEB }, ["GET /api/v1/workloads/web/history"] = { 200, history },
        })))
    end)

    it("leaves out what is not there", function()
        local bare = { id = "w1", name = "web", project = "me", type = "custom", status = "pending", count = 1,
            created_at = AT }
        assert.are.equal(lines(
            "web   pending", "  type        custom", "  project     me", "  instances   0/1",
            "  created     2026-11-21 01:02:03 (1m ago)", "  id          w1"
        ), (got("show web", {
            ["GET /api/v1/workloads/web"] = { 200, bare },
            ["GET /api/v1/workloads/web/history"] = { 200, { items = {} } },
        })))
    end)

    it("is the API's object with --json", function()
        assert.are.same(WEB, JSON.decode((got("show web --json", { ["GET /api/v1/workloads/web"] = { 200, WEB } }))))
    end)
end)

describe("stats", function()
    local USE = { cpu_percent = 12.345, memory_bytes = 30 << 20, memory_limit_bytes = 64 << 20, network_rx_bytes = 1024,
        network_tx_bytes = 0, pids = 6 }

    it("tells what an instance uses", function()
        assert.are.equal(lines("processor   12.3 %", "memory      30 MiB of 64 MiB", "received    1 KiB",
            "sent        0 bytes", "processes   6"), (got("stats web --instance 1",
            { ["GET /api/v1/workloads/web/stats?instance=1"] = { 200, USE } })))
        USE.memory_limit_bytes = 0
        assert.matches("memory      30 MiB\n",
            (got("stats web", { ["GET /api/v1/workloads/web/stats"] = { 200, USE } })))
    end)
end)

describe("explain", function()
    local TARGET = "GET /api/v1/workloads/web/evaluations"
    local OLD = { reason = "no node has joined yet", trigger = "workload_created", created_at = AT,
        receipt = { nodes = {} } }
    local NEW = {
        reason = "placed on n1", trigger = "node_changed", policy = "placement 3", created_at = AT,
        receipt = { fallback = "the policy was too slow", nodes = {
            { name = "n1", verdict = "taken", score = 812.5 },
            { name = "n2", verdict = "refused", rule = "memory", reason = "it lacks 64 MiB" },
        } },
    }

    it("tells of the newest decision, node by node", function()
        assert.are.equal(lines(
            "decision   placed on n1", "because    node changed", "policy     placement 3",
            "when       2026-11-21 01:02:03 (1m ago)", "fallback   the policy was too slow", "",
            "NODE   VERDICT   SCORE   RULE     REASON", "n1     taken     812.5",
            "n2     refused           memory   it lacks 64 MiB"
        ), (got("explain web", { [TARGET] = { 200, { items = { OLD, NEW } } } })))
    end)

    it("tells of a decision without nodes, and of none", function()
        assert.are.equal(lines("decision   no node has joined yet", "because    workload created",
            "when       2026-11-21 01:02:03 (1m ago)"),
            (got("explain web", { [TARGET] = { 200, { items = { OLD } } } })))
        local stdout, stderr = got("explain web", { [TARGET] = { 200, { items = {} } } })
        assert.are.same({ "", "Nothing was decided about 'web' yet.\n" }, { stdout, stderr })
    end)

    it("names the fix, who decided, the terms of a score, and when a refusal ends", function()
        local item = {
            reason = "no node can take it", trigger = "workload_created", policy = "placement 3", created_at = AT,
            decided_by = { policy = "placement", revision = 3, author = "alice" },
            receipt = {
                fix = "n2 lacks 0.25 processors: ask for 1 processors or less.", counts = { nodes = 2 },
                terms = { { text = "600 * node.free_cpu", line = 4 }, { text = "rank", line = 5 } },
                nodes = {
                    { name = "n1", verdict = "taken", instances = 2, score = 600, terms = { 600, 0 } },
                    { name = "n2", verdict = "refused", rule = "policy", line = 7, tense = "not_now", reason = "full" },
                },
            },
        }
        local stdout = got("explain web", { [TARGET] = { 200, { items = { item } } } })
        for _, line in ipairs { "fix        n2 lacks 0.25 processors: ask for 1 processors or less.",
            "policy     placement 3, by alice", "a = 600 * node.free_cpu (line 4)", "b = rank (line 5)" } do
            assert.matches(line .. "\n", stdout, 1, true)
        end
        assert.matches("n1     taken 2 times      600     a 600\n", stdout, 1, true)
        assert.matches("n2     refused, not now%s+policy line 7   full\n", stdout)
    end)

    it("shows a large fleet by rules and its nearest nodes, and every node with --all", function()
        local function nodes(from, to)
            local all = {}
            for index = from, to do
                all[#all + 1] = { name = "n" .. index, verdict = "refused", rule = "cpu", tense = "never" }
            end
            return all
        end
        local rules = { { rule = "cpu", tense = "never", nodes = 300, reason = "too small" } }
        local function item(list, following)
            return { id = "e1", reason = "no", trigger = "node_changed", created_at = AT,
                receipt = { counts = { nodes = 300 }, rules = rules, nodes = list, next = following } }
        end
        local answers = {
            [TARGET] = { 200, { items = { item(nodes(1, 100), 100) } } },
            ["GET /api/v1/evaluations/e1"] = { 200, item(nodes(1, 200), 200) },
            ["GET /api/v1/evaluations/e1?cursor=200"] = { 200, item(nodes(201, 300)) },
        }
        local stdout, stderr = got("explain web", answers)
        assert.matches("300     cpu    never   too small\n", stdout, 1, true)
        assert.matches("\nn10 ", stdout, 1, true)
        assert.is_nil(stdout:find("\nn11 "))
        assert.matches("290 more nodes: --all", stderr, 1, true)
        stdout, stderr = got("explain web --all", answers)
        assert.matches("\nn300 ", stdout, 1, true)
        assert.are.equal("", stderr)
        assert.are.equal(300, #JSON.decode((got("explain web --all --json", answers))).receipt.nodes)
    end)

    it("says when the hours of an owner begin", function()
        local receipt = { nodes = {
            { name = "n1", verdict = "refused", rule = "hours", tense = "when", when = AT, reason = "later" },
        } }
        local item = { reason = "no", trigger = "node_opened", created_at = AT, receipt = receipt }
        assert.matches("n1     refused, from 2026-11-21 01:02:03   hours   later\n",
            got("explain web", { [TARGET] = { 200, { items = { item } } } }), 1, true)
    end)

    it("is the newest receipt with --json, or null", function()
        local answer = { [TARGET] = { 200, { items = { OLD, NEW } } } }
        assert.are.same(NEW, JSON.decode((got("explain web --json", answer))))
        assert.are.equal("null\n", (got("explain web --json", { [TARGET] = { 200, { items = {} } } })))
    end)
end)

describe("node explain", function()
    local TARGET = "GET /api/v1/nodes/n1/decisions"

    it("tells what was taken, what was refused and why", function()
        local answer = {
            node = "n1", read = 7, looked_at = 3, taken = 1, possible = 1, refused = 1, since = AT,
            rules = { { rule = "memory", tense = "not_now", times = 1, reason = "too little", last_at = AT } },
            items = {
                { at = AT, workload = "web", verdict = "refused", rule = "memory", reason = "too little" },
                { at = AT, verdict = "possible", score = 5, taken_score = 9 },
                { at = AT, workload = "db", verdict = "taken", score = 8 },
            },
        }
        local stdout = got("node explain n1", { [TARGET] = { 200, answer } })
        for _, line in ipairs {
            "looked at   by 3 of the last 7 decisions, since 2026-11-21 01:02:03",
            "possible    1, another was better", "1       memory   not now   too little",
            "1m    web        refused            memory   too little",
        } do
            assert.matches(line .. "\n", stdout, 1, true)
        end
        assert.matches("possible   5 < 9\n", stdout, 1, true)
        assert.are.equal(7, JSON.decode((got("node explain n1 --json", { [TARGET] = { 200, answer } }))).read)
    end)

    it("says when nothing has looked at it", function()
        local _, stderr = got("node explain n1", { [TARGET] = { 200, { node = "n1", read = 0, items = {} } } })
        assert.matches("No decision has looked at it lately.", stderr, 1, true)
    end)
end)

describe("node", function()
    local N1 = { id = "1", name = "n1", status = "ready", reason = "fine", pool = "default", cpu_milli = 2000,
        reserved_cpu_milli = 500, memory_bytes = 4 << 30, reserved_memory_bytes = 1 << 30, disk_bytes = 100 << 30,
        disk_free_bytes = 40 << 30, allocations = 3, joined_at = AT, seen_at = AT, labels = { b = "2", a = "1" },
        os = "Debian", architecture = "amd64", engine_version = "20.10", agent_version = "0.1.0" }
    local N0 = { id = "0", name = "n0", status = "unreachable", reason = "its link is down", pool = "default",
        allocations = 0, joined_at = AT }

    it("ls tells what is used of each, and what is wrong", function()
        assert.are.equal(lines(
            "NAME   STATUS        POOL      INSTANCES   CPU        MEMORY           DISK                AGE   REASON",
            "n0     unreachable   default   0" .. (" "):rep(59) .. "1m    its link is down",
            "n1     ready         default   3           0.5 of 2   1 GiB of 4 GiB   60 GiB of 100 GiB   1m"
        ), (got("node ls", { ["GET /api/v1/nodes"] = { 200, { items = { N1, N0 } } } })))
        local stdout, stderr = got("node ls", { ["GET /api/v1/nodes"] = { 200, { items = {} } } })
        assert.are.equal("", stdout)
        assert.matches("lattice node join%-token", stderr)
    end)

    it("show tells all there is", function()
        assert.are.equal(lines(
            "n1   ready: fine", "  pool           default", "  labels         a=1, b=2", "  system         Debian",
            "  architecture   amd64", "  engine         20.10", "  agent          0.1.0", "  instances      3",
            "  cpu            0.5 of 2", "  memory         1 GiB of 4 GiB", "  disk           60 GiB of 100 GiB",
            "  joined         2026-11-21 01:02:03", "  seen           2026-11-21 01:02:03", "  id             1"
        ), (got("node show n1", { ["GET /api/v1/nodes/n1"] = { 200, N1 } })))
    end)

    it("show tells of an owner's hours", function()
        local node = { name = "n1", status = "ready", hours = "mon-fri 18:00-08:00", available = false, opens_at = AT }
        local answers = { ["GET /api/v1/nodes/n1"] = { 200, node } }
        assert.matches("available   mon-fri 18:00-08:00; not now, from 2026-11-21 01:02:03\n",
            got("node show n1", answers), 1, true)
        node.available, node.opens_at, node.available_until = true, nil, AT
        assert.matches("available   mon-fri 18:00-08:00; until 2026-11-21 01:02:03\n",
            got("node show n1", answers), 1, true)
    end)

    it("set says when its owner lends it, and takes it back", function()
        local answers = { ["PATCH /api/v1/nodes/n1"] = { 200, N1 } }
        local _, _, ran = got({ "node", "set", "n1", "--hours", "daily 08:00-18:00" }, answers)
        assert.are.same({ hours = "daily 08:00-18:00" }, JSON.decode(ran.calls[1].body))
        _, _, ran = got("node set n1 --hours always", answers)
        assert.are.equal('{"hours":null}', ran.calls[1].body)
    end)

    it("rm asks on a terminal", function()
        local answers = { ["DELETE /api/v1/nodes/n1"] = { 204, nil } }
        assert.are.equal("n1\n", (got("node rm n1", answers)))
        local terminal = { stdin = true, stderr = true, answers = { "no" } }
        local ran = fakes.run("node rm n1", { script = by_target(answers), terminal = terminal })
        assert.are.same({}, ran.calls)
        assert.matches("Shut the node 'n1' out%?", ran.asked)
        assert.are.equal("n1\n", (got("node rm n1 --yes", answers, { terminal = { stdin = true, stderr = true } })))
        -- One of the two alone is nobody to ask.
        assert.are.equal("n1\n", (got("node rm n1", answers, { terminal = { stdin = true } })))
    end)

    it("join-token gives the token to scripts and the command to people", function()
        local token = { token = "latj1.x", uses_left = 2, expires_at = AT, id = "t" }
        local answers = { ["POST /api/v1/join-tokens"] = { 201, token } }
        local stdout, stderr, ran = got("node join-token --uses 2 --life 1h --name n7 --pool edge", answers)
        assert.are.equal("latj1.x\n", stdout)
        assert.matches("%(2 nodes, until 2026%-11%-21 01:02 UTC%):\n\n"
            .. "  lattice%-agent %-%-console console:8443 %-%-join%-token latj1.x %-%-name n7\n", stderr)
        assert.are.same({ uses = 2, life = "1h", node = "n7", pool = "edge" }, JSON.decode(ran.calls[1].body))
        stdout = got("node join-token --json", answers,
            { environment = { LATTICE_ADDR = "https://console", LATTICE_TOKEN = "lat_1" } })
        assert.are.equal("lattice-agent --console console:443 --join-token latj1.x", JSON.decode(stdout).command)
        assert.is_nil(stderr:find("this machine alone", 1, true))
        local _, told = got("node join-token", answers,
            { environment = { LATTICE_ADDR = "https://127.0.0.1:8443", LATTICE_TOKEN = "lat_1" } })
        assert.matches("127%.0%.0%.1 is the console on this machine alone", told)
    end)
end)

describe("token and user", function()
    it("are listed", function()
        assert.are.equal(lines("ID   NAME   CREATED               ENDS", "1    ci     2026-11-21 01:02:03   never",
            "2    cd     2026-11-21 01:02:03   2026-11-21 01:02:03"),
            (got("token ls", { ["GET /api/v1/tokens"] = { 200, { items = {
                { id = "1", name = "ci", created_at = AT },
                { id = "2", name = "cd", created_at = AT, expires_at = AT },
            } } } })))
        assert.are.equal(lines("NAME   ROLE   PROJECT   CREATED", "bob    user   bob       2026-11-21 01:02:03"),
            (got("user ls", { ["GET /api/v1/users"] = { 200, {
                items = { { name = "bob", role = "user", project = "bob", created_at = AT } } } } })))
        assert.are.equal("[]\n", (got("user ls --json", { ["GET /api/v1/users"] = { 200, { items = {} } } })))
    end)

    it("are made and removed", function()
        local stdout, _, ran = got("token create ci --life 30d",
            { ["POST /api/v1/tokens"] = { 201, { id = "1", token = "lat_9" } } })
        assert.are.equal("lat_9\n", stdout)
        assert.are.same({ name = "ci", life = "30d" }, JSON.decode(ran.calls[1].body))
        assert.are.equal("1\n", (got("token rm 1", { ["DELETE /api/v1/tokens/1"] = { 204, nil } })))
        stdout, _, ran = got("user create bob --password-file pw --role admin",
            { ["POST /api/v1/users"] = { 201, { name = "bob" } } }, { files = { pw = "long enough\n" } })
        assert.are.equal("bob\n", stdout)
        assert.are.same({ name = "bob", password = "long enough", role = "admin" }, JSON.decode(ran.calls[1].body))
    end)

    it("a new password is typed twice", function()
        local function create(...)
            return fakes.run("user create bob", { script = { { 201, { name = "bob" } } },
                terminal = { stdin = true, stderr = true, answers = { ... } } })
        end
        assert.is_true(create("long enough", "long enough").ok)
        local ran = create("long enough", "long enouhg")
        assert.matches("not the same", ran.raised.detail)
        assert.are.same({}, ran.calls)
    end)
end)

describe("version", function()
    local CONSOLE = { ["GET /api/v1/version"] = { 200, { version = "9.9" } } }

    it("is this program's and the console's", function()
        assert.are.equal("lattice 1.2.3 (build abc)\nconsole 9.9 (https://console:8443)\n", (got("version", CONSOLE)))
        assert.are.equal("lattice 1.2.3 (build abc)\n", (got("version --client", CONSOLE)))
        local console = { addr = "https://console:8443", version = "9.9" }
        assert.are.same({ version = "1.2.3", build = "abc", console = console },
            JSON.decode((got("version --json", CONSOLE))))
    end)

    it("is told also where the console cannot be reached", function()
        assert.matches("^lattice 1.2.3 .*\nconsole unknown: There is no such thing", (got("version", {})))
        assert.are.equal("lattice 1.2.3 (build abc)\n", (got("version", {}, { environment = {} })))
    end)
end)

describe("stats --since", function()
    local FROM, TO = "2026-11-21T01:02:00.000Z", "2026-11-21T01:05:00.000Z"
    local TIMES = { [FROM] = 1795222920000, [TO] = 1795223100000 }
    local METRICS = {
        from = FROM, to = TO, step_ms = 60000,
        items = {
            { id = "a1", ordinal = 0, node = "n1", measures = {
                cpu_percent = { kind = "gauge", avg = { 12.34, JSON.null, 50 }, max = { 20, JSON.null, 99.5 } },
                network_rx_bytes = { kind = "counter", per_second = { 2048, JSON.null, 0 } },
            } },
            { id = "a2", ordinal = 1, node = "n2", measures = {} },
        },
    }

    it("prints a line for each step in which anything was measured", function()
        local stdout = got("stats --since 1h --step 5m web",
            { ["GET /api/v1/workloads/web/metrics?from=3600s&step=300s"] = { 200, METRICS } }, { times = TIMES })
        assert.are.equal(lines(
            "instance 0 on n1",
            "TIME (UTC)            CPU      MAX      RECEIVED",
            "2026-11-21 01:02:00   12.3 %   20.0 %   2 KiB/s",
            "2026-11-21 01:04:00   50.0 %   99.5 %   0 bytes/s"), stdout)
    end)

    it("chooses a step, and refuses what is no time", function()
        local empty = { 200, { from = FROM, to = TO, step_ms = 60000, items = {} } }
        for since, query in pairs { ["6h"] = "from=21600s&step=900s", ["7d"] = "from=604800s&step=43200s" } do
            local _, stderr = got("node stats --since " .. since .. " n1",
                { ["GET /api/v1/nodes/n1/metrics?" .. query] = empty }, { times = TIMES })
            assert.are.equal("Nothing was measured in that time.\n", stderr)
        end
        local huge = ("9"):rep(20)
        for _, words in ipairs { "--since yesterday", "--since " .. huge .. "d", "--step " .. huge .. "s" } do
            local ran = fakes.run("stats " .. words .. " web", { script = {} })
            assert.is_false(ran.ok)
            assert.matches("takes a time", ran.raised.detail)
        end
    end)
end)

describe("config show", function()
    it("tells of the authority that login kept", function()
        local files = { ["/h/.config/lattice/config.json"] = '{"addr":"https://a:1","token":"t","authority":"PEM"}' }
        local stdout = got("config show", {}, { environment = { HOME = "/h" }, files = files })
        assert.matches("authority   %(kept by login%)   file /h/.config/lattice/config.json", stdout)
        assert.are.equal("", (got("config show", {}, { environment = { HOME = "/h" } })))
    end)
end)

describe("audit", function()
    local ROW = { sequence = 7, at = AT, actor_kind = "api_token", actor_id = "t", actor_name = "admin/ci\27",
        action = "join_token.create", object_table = "join_token", object_id = "j1", object_name = "",
        address = "1.2.3.4:5" }

    it("shows rows, and says that there are more", function()
        local stdout, stderr = got("audit --since 12h --project me",
            { ["GET /api/v1/audit?project=me&since=12h&limit=50"] = { 200, { items = { ROW }, next = "7" } } })
        assert.are.equal(lines(
            "#   WHEN                  WHO         DID                 TO              FROM",
            "7   2026-11-21 01:02:03   admin/ci?   join_token.create   join token j1   1.2.3.4:5"), stdout)
        assert.matches("--all", stderr, 1, true)
    end)

    it("verifies, and fails where the chain is broken", function()
        assert.are.equal("rows 3 to 9 are as they were written\n", (got("audit verify",
            { ["GET /api/v1/audit/verify"] = { 200, { sound = true, first = 3, last = 9 } } })))
        local ran = fakes.run("audit verify", { script = by_target { ["GET /api/v1/audit/verify"] =
            { 200, { sound = false, first = 3, last = 9, broken_at = 5, what = "has another hash" } } } })
        assert.is_false(ran.ok)
        assert.matches("row 5 has another hash", ran.raised.detail, 1, true)
    end)
end)
