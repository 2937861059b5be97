-- login, logout: who this user is to a console.
--
-- The password is sent once, over a connection whose authority was verified: against --cacert, the system's, the one
-- of the login before, or a fingerprint that the user vouches for. What is kept is an API token.

local client = require "cli.client"
local config = require "cli.config"
local problem = require "cli.problem"

local SECTION = "Logging in"
local TOKEN_LIFE = "90d"

-- "AB:CD:..." or "sha256:abcd..." -> 64 small hexadecimal digits
local function read_fingerprint(text)
    local digits = text:lower():gsub("^sha%-?256[:=]", ""):gsub("[:%s]", "")
    if not digits:find("^%x+$") or #digits ~= 64 then
        problem.usage("--trust-fingerprint takes a SHA-256: 64 hexadecimal digits.",
            "On the console: openssl x509 -in DATA_DIR/ca.pem -noout -fingerprint -sha256")
    end
    return digits
end

-- A name for the token, as names of ours are written.
local function token_name(host)
    local name = ("login-" .. host:lower()):gsub("%..*$", ""):gsub("[^a-z0-9-]", "-"):sub(1, 63):gsub("%-+$", "")
    return name
end

local function ask_user(context)
    if not context:can_ask() then return "admin" end
    local answer = problem.check(context.terminal.ask("User [admin]: ", false))
    return answer ~= "" and answer or "admin"
end

local function trust(context, options, addr)
    local loaded = context:config()
    if options.trust_fingerprint then return nil, read_fingerprint(options.trust_fingerprint) end
    if options.cacert then return problem.read_file(context.system, options.cacert) end
    if loaded.addr == addr then return loaded.authority end
    local variable = context.parts.getenv "LATTICE_CACERT"
    if variable and variable ~= "" then return problem.read_file(context.system, variable) end
end

-- Takes the token of the login before back, if it was one to the same console; nothing depends on it.
local function forget_token(console, before, token)
    if before.addr ~= console.addr or not before.token_id then return end
    local path = "/api/v1/tokens/" .. before.token_id
    local ok, raised = pcall(console.call, console, "DELETE", path, nil, { token = token })
    if not ok and not problem.is(raised) then error(raised, 0) end
end

local function login(context, options, operands)
    local addr = config.address(operands.URL)
    local authority, pin = trust(context, options, addr)
    local console = client.new(context.parts, { addr = addr, authority = authority, pin = pin })
    console:get "/api/v1/version" -- is there a console, and is it the one? Before anything is asked or sent.
    local user = options.user or ask_user(context)
    local password = context:secret(options.password_file, ("Password of %s"):format(user),
        "Give it by --password-file FILE; '-' reads it from stdin.")
    local access = console:call("POST", "/api/v1/login", { user = user, password = password }, { anonymous = true })
    local token = console:call("POST", "/api/v1/tokens",
        { name = token_name(context.system.host_name()), life = TOKEN_LIFE }, { token = access.token })

    config.save(context.parts, context:config().path, {
        addr = addr,
        user = access.user,
        token = token.token,
        token_id = token.id,
        authority = pin and console.session:authority() or authority,
    })
    forget_token(console, context:config().login, token.token)
    if options.json then
        context:print_json { addr = addr, user = access.user, role = access.role, expires_at = token.expires_at }
    else
        context.out:note(("Logged in to %s as %s, until %s."):format(addr, access.user, token.expires_at:sub(1, 10)))
    end
end

local function logout(context, options)
    local loaded = context:config()
    local saved = loaded.login
    if saved.addr then
        local console = client.new(context.parts, saved)
        local ok, raised = pcall(console.call, console, "DELETE", "/api/v1/tokens/" .. (saved.token_id or ""))
        problem.check(context.system.remove_file(loaded.path))
        if not ok and not problem.is(raised) then error(raised, 0) end
        if not ok and raised.code ~= "unauthenticated" and raised.code ~= "not_found" then
            context.out:note(("The token could not be taken back: %s"):format(raised.detail))
        end
    end
    if options.json then
        context:print_json { addr = saved.addr }
    else
        context.out:note(saved.addr and ("Logged out of %s."):format(saved.addr) or "Nobody was logged in.")
    end
end

return {
    {
        name = "login",
        section = SECTION,
        summary = "Log in to a console",
        operands = { { name = "URL" } },
        flags = {
            { name = "user", value = "NAME", help = "who logs in (asked for; admin without a terminal)" },
            { name = "password-file", value = "FILE",
                help = "where the password stands; '-': the first line of stdin" },
            { name = "trust-fingerprint", value = "SHA256",
                help = "trust the authority whose certificate has this fingerprint, and keep it" },
        },
        details = [[
The console has to prove itself before a password is sent: by an authority in --cacert, by one that the system
trusts, or by --trust-fingerprint. The authority is kept with the login.
A token for this machine is made, good for ]] .. TOKEN_LIFE .. "; `lattice logout` takes it back.",
        examples = {
            "lattice login console.example.org:8443 --cacert ca.pem",
            "lattice login 10.0.0.2 --user admin --password-file admin-password --trust-fingerprint 3A:0F:...",
        },
        run = login,
    },
    {
        name = "logout",
        section = SECTION,
        summary = "Take the login's token back and forget it",
        run = logout,
    },
}
