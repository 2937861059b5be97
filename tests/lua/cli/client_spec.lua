local client = require "cli.client"
local fakes = require "tests.lua.cli.fakes"

local CLOSED = { error = { code = "closed", detail = "The other side closed the connection." } }
local REFUSED = { error = { code = "connection_refused", detail = "Connection refused." } }

local function make(script, to)
    local parts = { http = fakes.http(script), system = fakes.system(), json = fakes.json }
    local made = client.new(parts, to or { addr = "https://console:8443", token = "lat_1" })
    return made, parts.http.calls, parts
end

local function refusal(...)
    local ok, raised = pcall(...)
    assert.is_false(ok)
    return raised
end

describe("a call", function()
    it("carries the token, and a key where it writes", function()
        local console, calls = make { { 200, { ok = true } } }
        assert.is_true(console:get "/x".ok)
        console:call("POST", "/y", { a = 1 })
        assert.are.equal("Bearer lat_1", calls[1].headers.authorization)
        assert.is_nil(calls[1].headers["idempotency-key"])
        assert.is_nil(calls[1].body)
        assert.are.equal("key-1", calls[2].headers["idempotency-key"])
        assert.are.equal("application/json", calls[2].content_type)
        assert.are.same({ a = 1 }, fakes.json.decode(calls[2].body))
    end)

    it("gives nobody's token away when it is anonymous", function()
        local console, calls = make { { 200, {} } }
        console:call("POST", "/api/v1/login", {}, { anonymous = true })
        assert.is_nil(calls[1].headers.authorization)
        assert.is_nil(calls[1].headers["idempotency-key"])
    end)

    it("raises the console's problem as it came", function()
        local problem = { code = "name_taken", detail = "Taken.", hint = "Another.", request_id = "r", status = 409 }
        local console = make { { 409, problem } }
        assert.are.same(problem, refusal(console.get, console, "/x"))
    end)

    it("knows what is no console", function()
        local console = make { { 404, "<html>", type = "text/html" } }
        local raised = refusal(console.get, console, "/x")
        assert.are.equal("protocol", raised.code)
        assert.matches("no console: status 404", raised.detail)
        console = make { { 502, "bad gateway", type = "text/html" } }
        assert.are.equal("unavailable", refusal(console.get, console, "/x").code)
    end)

    it("reads all pages of a list, to the letter", function()
        local console, calls = make {
            { 200, { items = { { id = "1" }, { id = "2" } }, next = "2" } }, { 200, { items = { { id = "3" } } } },
        }
        local items, texts = console:list "/api/v1/workloads?credentials=true"
        assert.are.equal(3, #items)
        assert.are.same({ '{"id":"1"}', '{"id":"2"}', '{"id":"3"}' }, texts)
        assert.are.equal("/api/v1/workloads?credentials=true&cursor=2", calls[2].target)
    end)
end)

describe("a lost connection", function()
    it("fails at once when the console was never reached", function()
        local console, calls = make { REFUSED }
        local raised = refusal(console.get, console, "/x", { patience_ms = 60000 })
        assert.are.equal("connection_refused", raised.code)
        assert.matches("https://console:8443", raised.hint)
        assert.are.equal(1, #calls)
    end)

    it("is tried again with the same key, so that nothing happens twice", function()
        local console, calls = make { { 200, {} }, CLOSED, REFUSED, REFUSED, { 201, { id = "w" } } }
        console:get "/x"
        assert.are.equal("w", console:call("POST", "/y", {}, { patience_ms = 30000 }).id)
        for at = 2, 5 do assert.are.equal("key-1", calls[at].headers["idempotency-key"]) end
    end)

    it("is tried again once where a kept connection was closed meanwhile", function()
        local console = make { { 200, {} }, CLOSED, { 200, { fresh = true } } }
        local calls
        console:get "/x"
        assert.is_true(console:get "/y".fresh)
        console, calls = make { { 200, {} }, CLOSED, CLOSED, { 200, {} } }
        console:get "/x"
        assert.are.equal("closed", refusal(console.get, console, "/y").code)
        assert.are.equal(3, #calls)
    end)

    it("ends the patience when its time is up", function()
        local console, calls, parts = make { { 200, {} }, REFUSED }
        console:get "/x"
        local start = parts.system.ms
        refusal(console.get, console, "/y", { patience_ms = 2000 })
        assert.is_true(parts.system.ms - start >= 2000 and parts.system.ms - start < 3000)
        assert.is_true(#calls > 5)
    end)

    it("in the middle of an answer is a lost connection too", function()
        local half = { 200, '{"half":', broken = CLOSED.error }
        local console = make { { 200, {} }, half, { 200, { whole = true } } }
        console:get "/x"
        assert.is_true(console:get("/y", { patience_ms = 1000 }).whole)
    end)

    it("is not hidden where waiting cannot help", function()
        local console, calls = make { { 200, {} }, { 422, { code = "invalid_field", detail = "No." } } }
        console:get "/x"
        refusal(console.get, console, "/y", { patience_ms = 60000 })
        assert.are.equal(2, #calls)
    end)
end)

describe("trust", function()
    it("goes by authority or pin, and says what to do", function()
        local console, _, parts = make({ { error = { code = "tls", detail = "Unknown authority." } } },
            { addr = "https://a", authority = "PEM" })
        assert.matches("%-%-cacert FILE", refusal(console.get, console, "/x").hint)
        assert.are.same({ { url = "https://a", authority = "PEM" } }, parts.http.opened)
        console = make({ { error = { code = "tls", detail = "Not it." } } }, { addr = "https://a", pin = "ab" })
        assert.matches("fingerprint is wrong", refusal(console.get, console, "/x").hint)
    end)
end)
