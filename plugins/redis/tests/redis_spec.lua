local harness = require "tests.lua.harness"

-- What the container's shell would hand to the server, with `cat` in the server's place.
local function settings_of(container)
    local script = container.command[3]:gsub("^set %-%- redis%-server %-\n", "set -- cat\n")
        :gsub("command %-v docker%-entrypoint%.sh", "false")
    local command = ("REDISCLI_AUTH='%s' sh -c '%s'"):format(container.env.REDISCLI_AUTH, script)
    local pipe = assert(io.popen(command))
    local text = pipe:read "a"
    assert.is_true((pipe:close()))
    return text
end

describe("the plugin redis", function()
    before_each(function() harness.shipped_plugin "redis" end)

    it("renders a server with a password and a volume", function()
        local rendered = harness.render "redis"
        assert.equal("redis:7", rendered.container.image)
        assert.equal(32, #rendered.credentials.password)
        assert.same({ { name = "data", path = "/data" } }, rendered.container.volumes)
        assert.is_true(rendered.container.exclusive)
    end)

    it("gives the server its settings on standard input", function()
        local container = harness.render("redis", { maxmemory = "100m", maxmemory_policy = "allkeys-lru" }).container
        assert.equal(([[
requirepass %s
dir /data
appendonly yes
maxmemory-policy allkeys-lru
maxmemory 104857600
]]):format(container.env.REDISCLI_AUTH), settings_of(container))
    end)

    it("shows its password in no command line", function()
        local rendered = harness.render "redis"
        local password = rendered.credentials.password
        assert.is_nil(table.concat(rendered.container.command, " "):find(password, 1, true))
        assert.is_nil(table.concat(rendered.container.health.command, " "):find(password, 1, true))
        assert.equal(password, rendered.container.env.REDISCLI_AUTH)
    end)

    it("has an address that redis-cli takes, encrypted and plain", function()
        local endpoint = harness.render("redis", { password = "se-cret._~1" }).endpoints[1]
        assert.same({
            name = "redis", protocol = "redis", port = "redis",
            url = "rediss://default:se-cret._~1@{host}:{port}/0",
            plain_url = "redis://default:se-cret._~1@{host}:{port}/0",
        }, endpoint)
    end)

    it("refuses passwords that would be a setting or a shell's", function()
        local bad = { "has space1", "new\nline12", "dollar$x12", "short", "quote'12345", "back`tick12" }
        for _, password in ipairs(bad) do
            local _, problem = harness.render("redis", { password = password })
            assert.equal("params.password", problem.field)
        end
    end)

    it("knows the policies of eviction", function()
        local _, problem = harness.render("redis", { maxmemory_policy = "allkeys-lur" })
        assert.matches("did you mean 'allkeys%-lru'%?", problem.sentence)
    end)
end)
