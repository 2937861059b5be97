-- A container of any image.

-- By protocol: how a client writes the address, encrypted and plain.
local SCHEMES = {
    tcp = { "tls://{host}:{port}", "tcp://{host}:{port}" },
    http = { "https://{host}:{port}", "http://{host}:{port}" },
    postgres = { "postgresql://{host}:{port}/?sslmode=require", "postgresql://{host}:{port}/?sslmode=disable" },
    redis = { "rediss://{host}:{port}", "redis://{host}:{port}" },
}

-- Returns a port from `least` to 65535 out of its digits, or nil.
local function to_port(digits, least)
    local port = math.tointeger(tonumber(digits))
    return port and port >= least and port <= 65535 and port or nil
end

-- Reads "[NAME:][HOST-PORT:]PORT[/PROTOCOL]".
local function read_port(text, index)
    local field = ("params.ports[%d]"):format(index - 1)
    local rest, protocol = text:match("^(.*)/(%l+)$")
    if not rest then rest, protocol = text, "tcp" end
    local name, numbers = rest:match("^(%l[%l%d%-]*):([%d:]+)$")
    local host_digits, digits = (numbers or rest):match("^(%d+):(%d+)$")
    local port = to_port(digits or (numbers or rest):match("^%d+$"), 1)
    local host_port = host_digits and to_port(host_digits, 1024)
    if port and host_digits and not host_port then
        lattice.error {
            field = field,
            message = ("'%s' is not a port of the node for a workload."):format(host_digits:sub(1, 80)),
            hint = "Of its node a workload may take ports from 1024 to 65535.",
        }
    end
    if not port then
        lattice.error {
            field = field,
            message = ("'%s' is not a port."):format(text:sub(1, 80)),
            hint = "Write 80/http, 5432/tcp, web:8080/http or 9000:80/http, with a port from 1 to 65535.",
        }
    end
    if not SCHEMES[protocol] then
        lattice.error {
            field = field,
            message = ("'%s' is not a protocol."):format(protocol:sub(1, 40)),
            hint = "There are tcp, http, postgres and redis.",
        }
    end
    return { name = name or ("port-%d"):format(port), port = port, host_port = host_port, protocol = protocol }
end

local function read_volume(text, index)
    local name, path = text:match("^([^:]+):([^:]+)$")
    if not name then
        lattice.error {
            field = ("params.volumes[%d]"):format(index - 1),
            message = ("'%s' is not a volume."):format(text:sub(1, 80)),
            hint = "Write NAME:PATH, such as data:/var/lib/x; a volume has no options.",
        }
    end
    return { name = name, path = path }
end

-- The port that a health check asks: the first that speaks the protocol, else the first.
local function port_for(protocol, ports)
    for _, port in ipairs(ports) do
        if port.protocol == protocol then return port.name end
    end
    if ports[1] then return ports[1].name end
    lattice.error {
        field = "params.health",
        message = "This health check needs a port.",
        hint = "Name one with --port, or use exec:COMMAND.",
    }
end

local function read_health(text, ports)
    if text == "none" then return nil end
    if text == "tcp" then return { kind = "tcp", port = port_for("tcp", ports) } end
    local path = text:match("^http:(/.*)$")
    if path then return { kind = "http", port = port_for("http", ports), path = path } end
    local command = text:match("^exec:(.+)$")
    if command then return { kind = "exec", command = { "sh", "-c", command } } end
    lattice.error {
        field = "params.health",
        message = ("'%s' is not a health check."):format(text:sub(1, 80)),
        hint = "There are none, tcp, http:/PATH and exec:COMMAND.",
    }
end

local function map(list, fn)
    local results = {}
    for index, item in ipairs(list) do results[index] = fn(item, index) end
    return results
end

function render(spec)
    local params = spec.params
    local ports = map(params.ports, read_port)
    local volumes = map(params.volumes, read_volume)

    return {
        container = {
            image = params.image,
            entrypoint = params.entrypoint,
            command = params.command,
            env = params.env,
            user = params.user,
            workdir = params.workdir,
            ports = map(ports, function(port)
                return { name = port.name, port = port.port, host_port = port.host_port }
            end),
            volumes = volumes,
            health = read_health(params.health, ports),
            -- Nobody else may ever write into its data.
            exclusive = #volumes > 0,
        },
        endpoints = map(ports, function(port)
            local scheme = SCHEMES[port.protocol]
            return {
                name = port.name,
                protocol = port.protocol,
                port = port.name,
                url = scheme[1],
                plain_url = scheme[2],
            }
        end),
        credentials = {},
    }
end
