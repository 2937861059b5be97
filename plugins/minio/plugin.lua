-- MinIO by the official image's contract: see README.md.

local function web(name)
    return {
        name = name,
        protocol = "http",
        port = name,
        url = "https://{host}:{port}",
        plain_url = "http://{host}:{port}",
    }
end

function render(spec, context)
    local params = spec.params
    local access_key = params.access_key or context.credentials.access_key or lattice.password(20)
    local secret_key = params.secret_key or context.credentials.secret_key or lattice.password(40)
    local ports = { { name = "s3", port = 9000 } }
    local endpoints = { web("s3") }
    if params.console then
        table.insert(ports, { name = "console", port = 9001 })
        table.insert(endpoints, web("console"))
    end

    return {
        container = {
            image = params.image,
            command = params.command,
            env = { MINIO_ROOT_USER = access_key, MINIO_ROOT_PASSWORD = secret_key },
            ports = ports,
            volumes = { { name = "data", path = "/data" } },
            health = {
                kind = "http",
                port = "s3",
                path = "/minio/health/live",
                interval_ms = 2000,
                timeout_ms = 5000,
                start_ms = 60000,
                failures = 3,
            },
            stop_timeout_s = 30,
            exclusive = true,
        },
        endpoints = endpoints,
        credentials = { access_key = access_key, secret_key = secret_key },
    }
end
