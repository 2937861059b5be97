-- PostgreSQL by the official image's contract: see README.md.

-- Settings as arguments of the server, in an order that does not change from one rendering to the next.
local function arguments(settings)
    local names = {}
    for name in pairs(settings) do
        if not name:match("^[%a_][%w_%.]*$") then
            lattice.error { field = "params.settings", message = ("'%s' is not the name of a setting."):format(name) }
        end
        names[#names + 1] = name
    end
    if #names == 0 then return nil end
    table.sort(names)
    local command = { "postgres" }
    for _, name in ipairs(names) do
        table.insert(command, "-c")
        table.insert(command, ("%s=%s"):format(name, settings[name]))
    end
    return command
end

function render(spec, context)
    local params = spec.params
    local user, database = params.user, params.database
    local password = params.password or context.credentials.password or lattice.password(24)
    local address = ("postgresql://%s:%s@{host}:{port}/%s"):format(
        lattice.url_escape(user), lattice.url_escape(password), lattice.url_escape(database))

    return {
        container = {
            image = params.image or "postgres:" .. params.version,
            command = arguments(params.settings),
            env = {
                POSTGRES_USER = user,
                POSTGRES_PASSWORD = password,
                POSTGRES_DB = database,
                -- Below the volume: initdb wants an empty folder, and a volume's root may hold lost+found.
                PGDATA = "/var/lib/postgresql/data/pgdata",
            },
            ports = { { name = "pg", port = 5432 } },
            volumes = { { name = "data", path = "/var/lib/postgresql/data" } },
            -- The first start runs a temporary server on the unix socket alone: only TCP tells the real one.
            health = {
                kind = "exec",
                command = { "pg_isready", "-q", "-h", "127.0.0.1", "-U", user, "-d", database },
                interval_ms = 2000,
                timeout_ms = 5000,
                start_ms = 120000,
                failures = 3,
            },
            stop_signal = "SIGINT", -- fast shutdown: ends sessions, keeps every commit
            stop_timeout_s = 60,
            exclusive = true,
        },
        endpoints = {
            {
                name = "pg",
                protocol = "postgres",
                port = "pg",
                url = address .. "?sslmode=require",
                plain_url = address .. "?sslmode=disable",
            },
        },
        credentials = { user = user, password = password, database = database },
    }
end
