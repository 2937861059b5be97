local harness = require "tests.lua.harness"

describe("the plugin custom", function()
    before_each(function() harness.shipped_plugin "custom" end)

    local function render(params)
        params.image = params.image or "nginx:1.27"
        local rendered, problem = harness.render("custom", params)
        assert.is_nil(problem, problem and problem.sentence)
        return rendered
    end

    local function refusal(params)
        params.image = params.image or "nginx:1.27"
        local rendered, problem = harness.render("custom", params)
        assert.is_nil(rendered)
        assert.equal("invalid_field", problem.code)
        return problem
    end

    it("needs an image and nothing else", function()
        local rendered = render {}
        assert.same({ container = { image = "nginx:1.27", env = {}, exclusive = false }, credentials = {} }, rendered)
        local _, problem = harness.render("custom", {})
        assert.equal("params.image", problem.field)
    end)

    it("reads ports with a name, a protocol, both or neither", function()
        local rendered = render { ports = { "80/http", "5432", "web:8080/http", "db-1:5433/postgres", "6379/redis" } }
        assert.same({
            { name = "port-80", port = 80 }, { name = "port-5432", port = 5432 }, { name = "web", port = 8080 },
            { name = "db-1", port = 5433 }, { name = "port-6379", port = 6379 },
        }, rendered.container.ports)
        local protocols = {}
        for index, endpoint in ipairs(rendered.endpoints) do
            protocols[index] = endpoint.protocol
            assert.equal(rendered.container.ports[index].name, endpoint.port)
        end
        assert.equal("http tcp http postgres redis", table.concat(protocols, " "))
        assert.equal("https://{host}:{port}", rendered.endpoints[1].url)
    end)

    it("takes a port of the node where one is named in front", function()
        local rendered = render { ports = { "9000:80/http", "db:5433:5432/postgres", "1024:1" } }
        assert.same({
            { name = "port-80", port = 80, host_port = 9000 }, { name = "db", port = 5432, host_port = 5433 },
            { name = "port-1", port = 1, host_port = 1024 },
        }, rendered.container.ports)
        for _, port in ipairs { "1023:80", "0:80", "65536:80" } do
            local problem = refusal { ports = { port } }
            assert.equal("params.ports[0]", problem.field, port)
            assert.truthy(problem.hint:find("1024", 1, true))
        end
    end)

    it("refuses ports that are none", function()
        local bad = {
            "http", "0", "65536", "80/", "-1", "80/udp", "Web:80", "1:2:3", "a::80", "9000:",
            "80/http/x", "1e3", ":80", "",
        }
        for _, port in ipairs(bad) do
            assert.equal("params.ports[0]", refusal({ ports = { port } }).field, port)
        end
        assert.equal("params.ports[1]", refusal({ ports = { "80", "x" } }).field)
    end)

    it("hands on environment, command, entry point, user and folder", function()
        local container = render {
            env = { "A=b", "C=d" }, command = { "run", "it" }, entrypoint = "/bin/app",
            user = "1000:1000", workdir = "/srv",
        }.container
        assert.same({ A = "b", C = "d" }, container.env)
        assert.same({ "run", "it" }, container.command)
        assert.same({ "/bin/app" }, container.entrypoint)
        assert.equal("1000:1000", container.user)
        assert.equal("/srv", container.workdir)
    end)

    it("is exclusive where it has volumes", function()
        local container = render { volumes = { "data:/var/lib/x", "conf:/etc/x" } }.container
        assert.same({ { name = "data", path = "/var/lib/x" }, { name = "conf", path = "/etc/x" } }, container.volumes)
        assert.is_true(container.exclusive)
    end)

    it("knows no options of volumes", function()
        for _, volume in ipairs { "data", "data:", ":/x", "data:/x:ro", "" } do
            assert.equal("params.volumes[0]", refusal({ volumes = { volume } }).field)
        end
    end)

    it("reads health checks and finds their port", function()
        local ports = { "5432/tcp", "80/http" }
        assert.is_nil(render({ ports = ports }).container.health)
        assert.is_nil(render({ ports = ports, health = "none" }).container.health)
        assert.same({ kind = "tcp", port = "port-5432" }, render({ ports = ports, health = "tcp" }).container.health)
        assert.same({ kind = "http", port = "port-80", path = "/up?x=1" },
            render({ ports = ports, health = "http:/up?x=1" }).container.health)
        assert.same({ kind = "exec", command = { "sh", "-c", "test -f /ok" } },
            render({ health = "exec:test -f /ok" }).container.health)
    end)

    it("refuses health checks that it does not know, or that lack a port", function()
        for _, health in ipairs { "http", "http:up", "exec:", "ping", "" } do
            assert.equal("params.health", refusal({ ports = { "80" }, health = health }).field)
        end
        assert.equal("params.health", refusal({ health = "tcp" }).field)
    end)
end)
