local harness = require "tests.lua.harness"

describe("the plugin postgres", function()
    before_each(function() harness.shipped_plugin "postgres" end)

    it("renders the official image's contract with a generated password", function()
        local rendered = harness.render "postgres"
        local container, credentials = rendered.container, rendered.credentials
        assert.equal("postgres:15", container.image)
        assert.equal("app", credentials.user)
        assert.equal("app", credentials.database)
        assert.matches("^%w+$", credentials.password)
        assert.equal(24, #credentials.password)
        assert.same({
            POSTGRES_USER = "app", POSTGRES_DB = "app", POSTGRES_PASSWORD = credentials.password,
            PGDATA = "/var/lib/postgresql/data/pgdata",
        }, container.env)
        assert.same({ { name = "data", path = "/var/lib/postgresql/data" } }, container.volumes)
        assert.equal("SIGINT", container.stop_signal)
        assert.is_true(container.exclusive)
        assert.is_nil(container.command)
    end)

    it("is healthy when the server answers over TCP", function()
        local command = harness.render("postgres", { user = "u", database = "d" }).container.health.command
        assert.equal("pg_isready -q -h 127.0.0.1 -U u -d d", table.concat(command, " "))
    end)

    it("has an address that psql takes, encrypted and plain", function()
        local endpoint = harness.render("postgres", { password = "p@ss:word/1", database = "shop" }).endpoints[1]
        assert.same({
            name = "pg", protocol = "postgres", port = "pg",
            url = "postgresql://app:p%40ss%3Aword%2F1@{host}:{port}/shop?sslmode=require",
            plain_url = "postgresql://app:p%40ss%3Aword%2F1@{host}:{port}/shop?sslmode=disable",
        }, endpoint)
    end)

    it("keeps its password, unless another is given", function()
        local options = { credentials = { password = "kept-from-before" } }
        assert.equal("kept-from-before", harness.render("postgres", {}, options).credentials.password)
        assert.equal("new-password", harness.render("postgres", { password = "new-password" }, options)
            .credentials.password)
    end)

    it("takes a version, or another image", function()
        assert.equal("postgres:16-alpine", harness.render("postgres", { version = "16-alpine" }).container.image)
        assert.equal("postgres:16", harness.render("postgres", { version = 16 }).container.image)
        assert.equal("me/pg:1", harness.render("postgres", { image = "me/pg:1", version = "16" }).container.image)
    end)

    it("hands settings to the server in a fixed order", function()
        local container = harness.render("postgres", {
            settings = { "work_mem=8MB", "max_connections=50" },
        }).container
        assert.equal("postgres -c max_connections=50 -c work_mem=8MB", table.concat(container.command, " "))
        local _, problem = harness.render("postgres", { settings = { ["a b"] = "c" } })
        assert.equal("params.settings", problem.field)
    end)

    it("refuses names that the image cannot make", function()
        for _, name in ipairs { "", "1a", "a b", "a;drop", ("x"):rep(64) } do
            local _, problem = harness.render("postgres", { database = name })
            assert.equal("params.database", problem.field)
            _, problem = harness.render("postgres", { user = name })
            assert.equal("params.user", problem.field)
        end
        local _, problem = harness.render("postgres", { password = "short" })
        assert.equal("params.password", problem.field)
    end)

    it("lets the spec say processors and memory", function()
        local container = harness.render("postgres", {}, { cpu_milli = 500, memory_bytes = 1 << 28 }).container
        assert.equal(500, container.cpu_milli)
        assert.equal(1 << 28, container.memory_bytes)
        assert.is_nil(harness.render("postgres").container.memory_bytes)
    end)
end)
