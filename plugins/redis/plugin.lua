-- Redis by the official image's contract: see README.md.

-- The server reads its settings from standard input, so that the password stands in no command line. The
-- here-document is a pipe of the shell's that exec hands on: the server is process 1 and gets the signals.
-- The image's entry point, where there is one, gives up root before it starts the server.
local START = [[
set -- redis-server -
if command -v docker-entrypoint.sh >/dev/null; then set -- docker-entrypoint.sh "$@"; fi
exec "$@" <<SETTINGS
requirepass $REDISCLI_AUTH
%s
SETTINGS
]]

local function settings(params)
    local lines = {
        "dir /data",
        "appendonly yes",
        "maxmemory-policy " .. params.maxmemory_policy,
    }
    if params.maxmemory then table.insert(lines, ("maxmemory %d"):format(params.maxmemory)) end
    return table.concat(lines, "\n")
end

function render(spec, context)
    local params = spec.params
    local password = params.password or context.credentials.password or lattice.password(32)

    return {
        container = {
            image = params.image or "redis:" .. params.version,
            command = { "sh", "-c", START:format(settings(params)) },
            env = { REDISCLI_AUTH = password }, -- also what redis-cli logs in with
            workdir = "/data",
            ports = { { name = "redis", port = 6379 } },
            volumes = { { name = "data", path = "/data" } },
            -- A server that still loads its file answers the ping with LOADING.
            health = {
                kind = "exec",
                command = { "sh", "-c", '[ "$(redis-cli -h 127.0.0.1 ping)" = PONG ]' },
                interval_ms = 2000,
                timeout_ms = 5000,
                start_ms = 60000,
                failures = 3,
            },
            stop_timeout_s = 30,
            exclusive = true,
        },
        endpoints = {
            {
                name = "redis",
                protocol = "redis",
                port = "redis",
                -- With the user's name, which redis-cli does not leave out.
                url = ("rediss://default:%s@{host}:{port}/0"):format(lattice.url_escape(password)),
                plain_url = ("redis://default:%s@{host}:{port}/0"):format(lattice.url_escape(password)),
            },
        },
        credentials = { password = password },
    }
end
