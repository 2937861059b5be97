local fakes = require "tests.lua.cli.fakes"

local HOME = { HOME = "/h" }
local PATH = "/h/.config/lattice/config.json"

-- A console that lets in whoever knows the password.
local function console(call)
    local body = call.body and fakes.json.decode(call.body)
    if call.target == "/api/v1/version" then return { 200, { version = "1" } } end
    if call.target == "/api/v1/login" then
        if body.password ~= "secret" then return { 401, { code = "unauthenticated", detail = "Wrong." } } end
        return { 200, { token = "access", user = body.user, role = "admin" } }
    end
    if call.method == "DELETE" then return { 204, nil } end
    assert.are.equal("Bearer access", call.headers.authorization)
    return { 201, { id = "t2", token = "lat_2", expires_at = "2027-01-02T03:04:05.000Z", name = body.name } }
end

local function run(line, options)
    options.script = options.script or { console }
    options.environment = options.environment or HOME
    return fakes.run(line, options)
end

local function targets(ran)
    local list = {}
    for index, call in ipairs(ran.calls) do list[index] = call.method .. " " .. call.target end
    return list
end

describe("login", function()
    it("keeps an API token, the address and the authority", function()
        local ran = run("login console --user me --password-file pw --cacert ca",
            { files = { pw = "secret\n", ca = "PEM" } })
        assert.is_true(ran.ok)
        assert.are.same({ addr = "https://console:8443", user = "me", token = "lat_2", token_id = "t2",
            authority = "PEM" }, fakes.json.decode(ran.system.files[PATH]))
        assert.are.equal("PEM", ran.opened[1].authority)
        assert.matches("Logged in to https://console:8443 as me, until 2027%-01%-02", ran.stderr)
        assert.are.equal("login-laptop", fakes.json.decode(ran.calls[3].body).name)
    end)

    it("asks on a terminal, and only once the console has proved itself", function()
        local ran = run("login console", { terminal = { stdin = true, stderr = true, answers = { "", "secret" } } })
        assert.is_true(ran.ok)
        assert.are.equal("User [admin]: Password of admin: ", ran.asked)

        local untrusted = { { error = { code = "tls", detail = "Unknown authority." } } }
        ran = run("login console", { script = untrusted, terminal = { stdin = true, stderr = true, answers = { "" } } })
        assert.is_false(ran.ok)
        assert.are.equal("tls", ran.raised.code)
        assert.is_nil(ran.asked)
        assert.are.same({ "GET /api/v1/version" }, targets(ran))
    end)

    it("pins a fingerprint as it is written anywhere, and keeps the authority that it found", function()
        local digits = ("ab"):rep(32)
        for _, written in ipairs { digits, digits:upper(), "sha256:" .. digits, ("AB:"):rep(31) .. "AB" } do
            local ran = run("login console --user me --password-file pw --trust-fingerprint " .. written,
                { files = { pw = "secret" } })
            assert.is_true(ran.ok)
            assert.are.equal(digits, ran.opened[1].pin)
            assert.are.equal("PINNED PEM", fakes.json.decode(ran.system.files[PATH]).authority)
        end
        for _, wrong in ipairs { "ab", digits .. "a", ("x"):rep(64) } do
            local ran = run("login console --trust-fingerprint " .. wrong, {})
            assert.are.equal("invalid", ran.raised.code)
            assert.are.same({}, ran.calls)
        end
    end)

    it("keeps nothing when the password is wrong", function()
        local ran = run("login console --password-file pw", { files = { pw = "guess" } })
        assert.are.equal("unauthenticated", ran.raised.code)
        assert.is_nil(ran.system.files[PATH])
    end)

    it("mends what is kept when that is broken", function()
        local ran = run("login console --password-file pw", { files = { pw = "secret", [PATH] = "{" } })
        assert.is_true(ran.ok)
        assert.are.equal("lat_2", fakes.json.decode(ran.system.files[PATH]).token)
        ran = fakes.run("ps", { environment = HOME, files = { [PATH] = "{" } })
        assert.matches("is not what `lattice login` writes", ran.raised.detail)
    end)

    it("says which file is not there", function()
        assert.matches("There is no file 'gone'", run("login console --password-file gone", {}).raised.detail)
        assert.matches("There is no file 'gone'", run("login console --cacert gone", {}).raised.detail)
    end)

    it("says how to give the password where nobody can be asked", function()
        local ran = run("login console", {})
        assert.matches("%-%-password%-file", ran.raised.hint)
    end)

    it("takes the token of the login before back, from the same console alone", function()
        local function again(addr)
            local before = ('{"addr":"%s","token":"lat_1","token_id":"t1"}'):format(addr)
            return targets(run("login console --password-file pw", { files = { pw = "secret", [PATH] = before } }))
        end
        assert.are.equal("DELETE /api/v1/tokens/t1", again("https://console:8443")[4])
        assert.are.equal(3, #again "https://other:8443")
    end)
end)

describe("logout", function()
    local LOGIN = '{"addr":"https://console:8443","token":"lat_1","token_id":"t1","authority":"PEM"}'

    it("takes the token back and forgets it", function()
        local ran = run("logout", { files = { [PATH] = LOGIN } })
        assert.is_true(ran.ok)
        assert.are.same({ "DELETE /api/v1/tokens/t1" }, targets(ran))
        assert.are.equal("Bearer lat_1", ran.calls[1].headers.authorization)
        assert.is_nil(ran.system.files[PATH])
    end)

    it("forgets it also when the console cannot be reached, and says so", function()
        local ran = run("logout", { files = { [PATH] = LOGIN },
            script = { { error = { code = "connection_refused", detail = "Nobody there." } } } })
        assert.is_true(ran.ok)
        assert.is_nil(ran.system.files[PATH])
        assert.matches("could not be taken back: Nobody there", ran.stderr)
    end)

    it("is fine when nobody is logged in", function()
        assert.is_true(run("logout", {}).ok)
    end)
end)
