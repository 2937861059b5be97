-- deploy: one workload, from flags until its address answers.

local demand = require "cli.demand"
local dry_run = require "cli.dry_run"
local spec = require "cli.spec"
local wait = require "cli.wait"
local workload = require "cli.workload"

local RETRY_MS = 30 * 1000

local function deploy(context, options, operands, rest)
    local body = spec.build(operands.TYPE, operands.NAME, options, rest, context.parts.getenv)
    local timeout_ms = wait.timeout_ms(context, options)
    if options.dry_run then return dry_run(context, options, "/api/v1/workloads", body) end
    local console = context:console()
    console.on_retry = function() context.out:progress("send", "the connection was lost; sending it again") end
    local item, text = console:call("POST", "/api/v1/workloads", body, { patience_ms = RETRY_MS })
    console.on_retry = nil

    if not options.detach then item, text = wait.until_status(context, item.id, "running", timeout_ms) end
    if options.json then
        context.out:line(text)
        return
    end
    local urls = workload.urls(item)
    if options.detach or #urls == 0 then
        context.out:line(item.name)
    end
    if options.detach then return end
    local told = false
    for _, url in ipairs(urls) do
        context.out:line(url)
        told = told or url:find("@", 1, true) ~= nil
    end
    if not told and type(item.credentials) == "table" and next(item.credentials) then
        context.out:note(("Its credentials: lattice show %s"):format(item.name))
    end
end

local flags = {
    { name = "param", value = "NAME=VALUE", kind = "list",
        help = "a parameter of the type; again for more, or for a list" },
    { name = "image", value = "IMAGE", help = "the image" },
    { name = "port", short = "p", value = "PORT/PROTOCOL", kind = "list",
        help = "a port that gets an address: 80/http, 5432/tcp, web:8080/http, 9000:80/http" },
    { name = "env", short = "e", value = "NAME=VALUE", kind = "list",
        help = "a variable; NAME alone takes it from this environment" },
    { name = "volume", short = "v", value = "NAME:PATH", kind = "list",
        help = "a volume that is kept: data:/var/lib/x" },
    { name = "command", value = "ARGUMENT", kind = "list", help = "one argument of the command; or all behind --" },
    { name = "entrypoint", value = "ARGUMENT", kind = "list", help = "program instead of the image's own" },
    { name = "health", value = "CHECK", help = "when it is healthy: none, tcp, http:/PATH, exec:COMMAND" },
    { name = "user", value = "USER", help = "the user it runs as; of a database, the user it is made with" },
    { name = "workdir", value = "PATH", help = "folder that the program starts in" },
    { name = "cpu", value = "NUMBER", help = "processors for each instance: 0.5" },
    { name = "memory", value = "SIZE", help = "memory for each instance: 128m, 1g" },
    { name = "count", value = "NUMBER", kind = "integer", min = 1, help = "how many instances (default 1)" },
    { name = "label", value = "NAME=VALUE", kind = "list", help = "a label, by which lists are narrowed" },
    { name = "plain", value = "ENDPOINT", kind = "optional",
        help = "do not encrypt towards clients: one endpoint, or all without a name" },
    { name = "dry-run", help = "say where it would go, and why not elsewhere; change nothing" },
}
table.move(demand.flags, 1, #demand.flags, #flags + 1, flags)
table.move(wait.flags, 1, #wait.flags, #flags + 1, flags)

return {
    {
        name = "deploy",
        section = "Workloads",
        summary = "Deploy a workload, and wait until it answers",
        operands = { { name = "TYPE" }, { name = "NAME" } },
        flags = flags,
        rest = true,
        details = [[
`lattice help deploy TYPE` says which parameters a type takes; --image, --port, --env, --volume, --command,
--entrypoint, --health, --user and --workdir are parameters under a shorter name.
Prints the addresses, one a line. What the console accepted goes on when the command is interrupted.
What has no health check is looked at once more after a second: whether it ended by itself.
With --dry-run all is checked and decided and nothing changed; the exit status is 7 unless all would be placed.
A task is waited for until all its instances have ended; the exit status is not 0 when one of them failed.]],
        examples = {
            "lattice deploy postgres my-db --param database=shop",
            "lattice deploy custom web --image nginx:1.27 --port 80/http --memory 128m --count 2",
            "lattice deploy custom clock --image alpine:3 -- sh -c 'while date; do sleep 5; done'",
            "lattice deploy custom job --task --retries 2 --image alpine:3 --wait-timeout 1h -- sh -c 'exit 0'",
            "lattice deploy custom web --image nginx:1.27 --count 3 --spread zone --apart web --near my-db@zone:50",
        },
        run = deploy,
    },
}
