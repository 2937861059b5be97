-- Which console, as whom: flags, environment, and what `lattice login` left in the user's configuration folder.
--
-- The login's token and authority go with its address alone: a command that is pointed at another console by
-- --addr or LATTICE_ADDR never sends them there.

local problem = require "cli.problem"

local config = {}

-- Returns where the login is kept, or nil when there is no home.
function config.path(getenv)
    local base = getenv "XDG_CONFIG_HOME"
    if not base or base == "" then
        local home = getenv "HOME"
        if not home or home == "" then return nil end
        base = home .. "/.config"
    end
    return base .. "/lattice/config.json"
end

-- Returns what login saved: {addr, token, token_id, user, authority}; empty when nobody is logged in. Behind it a
-- problem when the file is there and is something else.
local function read_login(parts, path)
    if not path then return {} end
    local text, err = parts.system.read_file(path)
    if not text then
        if err.code == "not_found" then return {} end
        problem.raise(err)
    end
    local login = parts.json.decode(text)
    if type(login) ~= "table" then
        return {}, { code = "io", detail = path .. " is not what `lattice login` writes.", hint = "Log in again." }
    end
    return login
end

-- "console.example" -> "https://console.example:8443"; "https://a/" -> "https://a"
function config.address(text)
    local addr = text:gsub("/+$", "")
    if not addr:find("://", 1, true) then
        addr = "https://" .. addr
        if not addr:find(":%d+$") then addr = addr .. ":8443" end
    end
    return addr
end

local function flags_of(options)
    local flags = {}
    for _, name in ipairs { "addr", "token", "cacert" } do
        if options[name] then flags[#flags + 1] = ("--%s=%s"):format(name, options[name]) end
    end
    return flags
end

-- Returns {addr, token, authority, path, shown, login, broken}. addr is nil when no console is known, because of
-- `broken` if that is there. parts: {settings, system, json, getenv}.
function config.load(parts, options)
    local path = config.path(parts.getenv)
    local login, broken = read_login(parts, path)
    local flags = flags_of(options)
    local values, shown = problem.check(parts.settings.read(flags))
    local own = login.addr and
        (values.addr.value == "" or config.address(values.addr.value) == login.addr)

    if own then
        local lines = ("LATTICE_ADDR=%s\nLATTICE_TOKEN=%s\n"):format(login.addr, login.token or "")
        values, shown = problem.check(parts.settings.read(flags, path, lines))
    end
    local loaded = {
        path = path,
        login = login,
        broken = broken,
        shown = shown,
        addr = values.addr.value ~= "" and config.address(values.addr.value) or nil,
        token = values.token.value ~= "" and values.token.value or nil,
        authority = own and login.authority or nil,
    }
    if values.cacert.value ~= "" then
        loaded.authority = problem.read_file(parts.system, values.cacert.value)
    end
    return loaded
end

function config.save(parts, path, login)
    if not path then
        problem.raise { code = "io", detail = "There is no HOME in which the login could be kept.",
            hint = "Set HOME or XDG_CONFIG_HOME." }
    end
    problem.check(parts.system.write_file(path, problem.check(parts.json.encode(login)) .. "\n"))
end

return config
