-- The console's API, from the side of a command.
--
-- Every write carries an Idempotency-Key, so that one whose answer was lost can be sent again without happening
-- twice. `patience_ms` says how long a call goes on when the console cannot be reached or says "not now"; a console
-- that was never reached fails at once.

local problem = require "cli.problem"

local client = {}
client.__index = client

local PAUSE_MS = 250
local BODY_MAX = 64 * 1024 * 1024
local NO_LIMIT = -1
local NO_CONTENT = 204

-- What may pass by itself.
local PASSING = {
    closed = true, timeout = true, connection_refused = true, io = true,
    unavailable = true, busy = true, rate_limited = true,
}

-- parts: {http, system, json} (the bindings), to: {addr, token, authority, pin}, on_retry(problem) or nil.
function client.new(parts, to)
    return setmetatable({
        http = parts.http, system = parts.system, json = parts.json,
        addr = to.addr, token = to.token, authority = to.authority, pin = to.pin,
        reached = false, -- whether the console answered anything yet
    }, client)
end

function client:open()
    if not self.session then
        self.session = problem.check(self.http.open { url = self.addr, authority = self.authority, pin = self.pin })
    end
    return self.session
end

local function read_body(session)
    local parts, size = {}, 0
    while true do
        local bytes, err = session:read()
        if err then return nil, err end
        if not bytes then return table.concat(parts) end
        size = size + #bytes
        if size > BODY_MAX then return nil, { code = "too_large", detail = "The console's answer is too large." } end
        parts[#parts + 1] = bytes
    end
end

-- The problem that an answer stands for which is not what was asked for.
function client:problem_of(status, headers, text)
    local body = (headers["content-type"] or ""):find("problem+json", 1, true) and self.json.decode(text)
    if type(body) == "table" and type(body.code) == "string" then return body end
    local gateway = status == 502 or status == 503 or status == 504
    return {
        code = gateway and "unavailable" or "protocol",
        status = status,
        detail = ("What answers at %s is no console: status %d."):format(self.addr, status),
        hint = "Check the address.",
    }
end

local function explain(self, err)
    if err.code == "tls" then
        err.hint = self.pin and "Either the fingerprint is wrong, or this is not the console that you mean."
            or "If you trust this console, log in with --cacert FILE (ca.pem in the console's data folder), "
            .. "or with --trust-fingerprint and the SHA-256 of that certificate."
    elseif err.code == "connection_refused" then
        err.hint = ("Check the address (%s), and that the console is running."):format(self.addr)
    end
    return err
end

-- One attempt: returns status, headers, or nil, problem.
function client:attempt(call)
    local session = self:open()
    local status, headers = session:start(call)
    if status then
        self.reached = true
        return status, headers
    end
    self.reached = self.reached or headers.sent == true
    headers.sent = nil
    return nil, explain(self, headers)
end

function client:build(method, target, body, options)
    local headers = { ["accept"] = "application/json, application/problem+json" }
    local token = options.token or self.token
    if token and not options.anonymous then headers["authorization"] = "Bearer " .. token end
    if method ~= "GET" and not options.anonymous then headers["idempotency-key"] = self.system.id() end
    return {
        method = method,
        target = target,
        headers = headers,
        content_type = body and "application/json" or nil,
        body = body and problem.check(self.json.encode(body)) or nil,
    }
end

-- Calls and returns the decoded answer and its text; raises problems. options: patience_ms, token, anonymous.
function client:call(method, target, body, options)
    options = options or {}
    local call = self:build(method, target, body, options)
    local _, start = self.system.now()
    local first = true
    while true do
        local reused = self.reached
        local status, headers = self:attempt(call)
        local text, err
        if status then text, err = read_body(self.session) else err = headers end
        local decoded = text and text ~= "" and self.json.decode(text)
        if decoded and status < 400 or status == NO_CONTENT then return decoded, text end
        local raised = err or self:problem_of(status, headers, text)
        local _, now = self.system.now()
        local patient = self.reached and PASSING[raised.code] and now - start < (options.patience_ms or 0)
        -- A connection that was kept may have been closed meanwhile: that alone is no reason to fail.
        local stale = first and reused and raised.code == "closed" and not options.anonymous
        if not (patient or stale) or self.system.interrupted() then problem.raise(raised) end
        if self.on_retry and not stale then self.on_retry(raised) end
        if not stale then problem.check(self.system.sleep(PAUSE_MS)) end
        first = false
    end
end

function client:get(target, options)
    return self:call("GET", target, nil, options)
end

-- Returns all items of a list that comes in pages: decoded, and each as its JSON to the letter.
function client:list(target)
    local items, texts = {}, {}
    local cursor
    repeat
        local page = target
        if cursor then
            page = target .. (target:find("?", 1, true) and "&" or "?") .. "cursor=" .. self.system.escape(cursor)
        end
        local decoded, text = self:get(page)
        table.move(decoded.items, 1, #decoded.items, #items + 1, items)
        local raw = problem.check(self.system.items(text, "items"))
        table.move(raw, 1, #raw, #texts + 1, texts)
        cursor = decoded.next
    until not cursor
    return items, texts
end

-- Hands the pieces of an endless answer to sink(bytes). Returns true at its end, or false and the problem when the
-- connection broke; a refusal is raised.
function client:stream(target, sink)
    local call = self:build("GET", target, nil, {})
    call.idle_ms = NO_LIMIT
    local status, headers = self:attempt(call)
    if not status then return false, headers end
    if status >= 400 then
        local text, err = read_body(self.session)
        problem.raise(err or self:problem_of(status, headers, text))
    end
    while true do
        local bytes, err = self.session:read()
        if err then return false, err end
        if not bytes then return true end
        sink(bytes)
    end
end

return client
