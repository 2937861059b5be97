-- What the jailed child does with a request of the console: load a file, or ask a loaded one.
-- lua/host/host.c calls handle() with the decoded request and encodes what it returns.

local compiled = require "lib.compiled"
local errors = require "lib.errors"
local placement = require "lib.placement"
local plugin = require "lib.plugin"
local ruling = require "lib.ruling"
local sandbox = require "lib.sandbox"
local trial = require "lib.trial"

local host = {}

local loaded = { policy = {}, plugin = {} }

local loaders, deciders = {}, { policy = {}, plugin = {} }

-- The policies that there are: check(file, globals), decide(file, globals, input) of those that are asked one question
-- at a time, args of their tests' makers.
local policies = {
    placement = placement,
    admission = ruling.of "admit",
    approval = ruling.of "approve",
}

-- What some editors write in front of a text to say that it is UTF-8. Lua's own reading of files leaves it out, too.
local MARK = "^\xEF\xBB\xBF"

-- A loader returns what is kept, and what the answer says beside that it went well.
function loaders.policy(name, file, request, note)
    local chunk = sandbox.compile(request.source, file)
    local policy = policies[name]
    if not policy then error(("there is no policy called '%s'"):format(name), 0) end
    local globals = sandbox.run(chunk)
    policy.check(file, globals)
    local tests = trial.run(file, chunk, policy.args, note)
    local answer = compiled.answer(name, file, request.source, globals)
    answer.tests = #tests
    if #tests > 0 then answer.test_names = tests end
    return { chunk = chunk, decide = policy.decide }, answer
end

function loaders.plugin(name, file, request)
    return plugin.load(name, file, request.source, request.manifest)
end

function deciders.policy.decide(file, policy, input)
    return policy.decide(file, sandbox.run(policy.chunk), input)
end

function deciders.plugin.render(_, entry, input)
    return plugin.render(entry, input)
end

local function file_of(kind, name)
    return kind == "plugin" and name .. "/plugin.lua" or name .. ".lua"
end

local function load_file(request, _, note)
    local kind, name = request.kind, request.name
    local file = file_of(kind, name)
    request.source = request.source:gsub(MARK, "")
    local ok, entry, answer = errors.catch(kind, file, loaders[kind], name, file, request, note)
    if not ok then return { error = entry } end
    loaded[kind][name] = entry
    answer = answer or {}
    answer.ok = true
    return answer
end

local function ask(request)
    local kind, name = request.kind, request.name
    local entry, decide = loaded[kind][name], deciders[kind][request.decision]
    if not entry or not decide or kind == "policy" and not entry.decide then
        return { id = request.id, error = { code = "not_found", sentence = ("no %s '%s' decides '%s'"):format(
            kind, name, request.decision) } }
    end
    local file = file_of(kind, name)
    local ok, value = errors.catch(kind, file, decide, file, entry, request.input)
    if not ok then return { id = request.id, error = value } end
    return { id = request.id, value = value }
end

-- Decides about the rows that the console shares with this process.
local function ask_rows(request, rows)
    local entry, file = loaded.policy[request.name], file_of("policy", request.name)
    local ok, value = errors.catch("policy", file, function()
        return placement.rows(file, sandbox.run(entry.chunk), rows)
    end)
    if not ok then return { id = request.id, error = value } end
    return { id = request.id, value = value }
end

local operations = { load = load_file, ask = ask, rows = ask_rows }

-- Answers a request; `rows` is the module over shared rows, nil where none are shared. note(name) tells the console
-- which of a policy's tests begins; nil where nobody wants to know.
function host.handle(request, rows, note)
    return operations[request.op](request, rows, note or function() end)
end

return host
