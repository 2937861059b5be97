local harness = require "tests.lua.harness"

describe("the plugin minio", function()
    before_each(function() harness.shipped_plugin "minio" end)

    it("renders a server with generated keys", function()
        local rendered = harness.render "minio"
        local container, credentials = rendered.container, rendered.credentials
        assert.equal("minio/minio:latest", container.image)
        assert.equal("server /data --console-address :9001", table.concat(container.command, " "))
        assert.equal(20, #credentials.access_key)
        assert.equal(40, #credentials.secret_key)
        assert.same({ MINIO_ROOT_USER = credentials.access_key, MINIO_ROOT_PASSWORD = credentials.secret_key },
            container.env)
        assert.equal("/minio/health/live", container.health.path)
        assert.is_true(container.exclusive)
    end)

    it("has an address for S3 and one for its console", function()
        local endpoints = harness.render("minio").endpoints
        assert.equal(2, #endpoints)
        assert.same({
            name = "s3", protocol = "http", port = "s3",
            url = "https://{host}:{port}", plain_url = "http://{host}:{port}",
        }, endpoints[1])
        assert.equal("console", endpoints[2].name)
        assert.equal(1, #harness.render("minio", { console = "false" }).endpoints)
    end)

    it("takes another image and other arguments, or none", function()
        local container = harness.render("minio", { image = "my/s3:1", command = {} }).container
        assert.equal("my/s3:1", container.image)
        assert.is_nil(container.command)
        assert.same({ "serve" }, harness.render("minio", { command = "serve" }).container.command)
    end)

    it("keeps its keys", function()
        local kept = { access_key = "kept", secret_key = "kept-as-well" }
        assert.same(kept, harness.render("minio", {}, { credentials = kept }).credentials)
    end)

    it("refuses keys that the server refuses", function()
        local _, problem = harness.render("minio", { access_key = "ab" })
        assert.equal("params.access_key", problem.field)
        _, problem = harness.render("minio", { secret_key = "1234567" })
        assert.equal("params.secret_key", problem.field)
    end)
end)
