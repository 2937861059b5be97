local config = require "cli.config"
local fakes = require "tests.lua.cli.fakes"

local PATH = "/users/me/.config/lattice/config.json"
local LOGIN = '{"addr":"https://mine:8443","token":"lat_mine","authority":"MY PEM","user":"me","token_id":"t1"}'

local function load(options, environment, files)
    environment = environment or {}
    environment.HOME = environment.HOME or "/users/me"
    return config.load({
        settings = fakes.settings(environment), system = fakes.system(files or { [PATH] = LOGIN }), json = fakes.json,
        getenv = function(name) return environment[name] end,
    }, options or {})
end

describe("the configuration", function()
    it("is the login's when nothing else is said", function()
        local loaded = load()
        assert.are.same({ "https://mine:8443", "lat_mine", "MY PEM" }, { loaded.addr, loaded.token, loaded.authority })
    end)

    it("never sends the login's token to another console", function()
        for _, loaded in ipairs { load { addr = "https://other" }, load({}, { LATTICE_ADDR = "https://other" }) } do
            assert.are.equal("https://other", loaded.addr)
            assert.is_nil(loaded.token)
            assert.is_nil(loaded.authority)
        end
    end)

    it("is the login's when its own address is said again", function()
        assert.are.equal("lat_mine", load({ addr = "mine" }).token)
        assert.are.equal("lat_mine", load({}, { LATTICE_ADDR = "https://mine:8443/" }).token)
    end)

    it("is won by flags over the environment over the login", function()
        assert.are.equal("lat_env", load({}, { LATTICE_TOKEN = "lat_env" }).token)
        assert.are.equal("lat_flag", load({ token = "lat_flag" }, { LATTICE_TOKEN = "lat_env" }).token)
    end)

    it("reads the authority from the file that is named", function()
        local files = { [PATH] = LOGIN, ["/ca.pem"] = "OTHER PEM" }
        assert.are.equal("OTHER PEM", load({ cacert = "/ca.pem" }, {}, files).authority)
        assert.has_error(function() load({ cacert = "/gone.pem" }) end)
    end)

    it("is empty when nobody is logged in", function()
        local loaded = load({}, {}, {})
        assert.is_nil(loaded.addr)
        assert.is_nil(loaded.token)
    end)

    it("stands where XDG says", function()
        local function path(environment) return config.path(function(name) return environment[name] end) end
        assert.are.equal("/x/lattice/config.json", path { XDG_CONFIG_HOME = "/x", HOME = "/h" })
        assert.are.equal("/h/.config/lattice/config.json", path { XDG_CONFIG_HOME = "", HOME = "/h" })
        assert.is_nil(path {})
    end)

    it("says what is wrong with a file that is no login", function()
        local loaded = load({}, {}, { [PATH] = "{" })
        assert.is_nil(loaded.addr)
        assert.matches("is not what `lattice login` writes", loaded.broken.detail)
    end)
end)

describe("an address", function()
    it("is made whole", function()
        assert.are.equal("https://console:8443", config.address "console")
        assert.are.equal("https://console:99", config.address "console:99")
        assert.are.equal("https://console", config.address "https://console/")
    end)
end)
