-- nginx with one page. A plugin is a pure function: from what the user asked for to a container, its
-- endpoints and its credentials. docs/lua/api.md says what may stand in each of them.

local START <const> = [[
printf '<!doctype html><title>%s</title><h1>%s</h1>\n' "$TITLE" "$TITLE" >/usr/share/nginx/html/index.html
exec nginx -g 'daemon off;'
]]

function render(spec)
    local params = spec.params

    return {
        container = {
            image = "nginx:" .. params.version,
            entrypoint = { "sh", "-c" },
            command = { START },
            env = { TITLE = params.title },
            ports = { { name = "web", port = 80 } },
            health = { kind = "http", port = "web", path = "/", interval_ms = 5000, start_ms = 30000 },
        },
        endpoints = {
            {
                name = "web",
                protocol = "http",
                port = "web",
                url = "https://{host}:{port}/",
                plain_url = "http://{host}:{port}/",
            },
        },
        credentials = {},
    }
end
