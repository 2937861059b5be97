-- What `lattice deploy` sends: the spec of a workload out of flags.
--
-- Flags such as --image and --port are parameters under a shorter name; every type says itself which it takes, and
-- the console answers with the nearest where one is wrong. A parameter is sent as text, or as an array where it was
-- given more than once.

local demand = require "cli.demand"
local problem = require "cli.problem"

local spec = {}

-- Flag -> parameter, for flags that are given once and for those that add up.
local TEXTS = { image = "image", user = "user", workdir = "workdir", health = "health" }
local LISTS = { port = "ports", volume = "volumes", entrypoint = "entrypoint", command = "command" }

local function split_pair(flag, text)
    local name, value = text:match("^([^=]+)=(.*)$")
    if not name then
        problem.usage(("--%s takes NAME=VALUE, not '%s'."):format(flag, text))
    end
    return name, value
end

-- NAME=VALUE, or NAME alone for what it is in the environment of this command.
local function read_env(list, getenv)
    local env = {}
    for _, text in ipairs(list) do
        if not text:find("=", 1, true) then
            local value = getenv(text)
            if not value then
                problem.usage(("There is no variable '%s' here."):format(text),
                    ("Say which value: --env %s=..."):format(text))
            end
            env[text] = value
        else
            local name, value = split_pair("env", text)
            env[name] = value
        end
    end
    return env
end

local function add_params(params, list)
    for _, text in ipairs(list) do
        local name, value = split_pair("param", text)
        local old = params[name]
        if old == nil then
            params[name] = value
        elseif type(old) == "table" then
            table.insert(old, value)
        else
            params[name] = { old, value }
        end
    end
end

local function set_param(params, flag, name, value)
    if params[name] ~= nil then
        problem.usage(("--%s and --param %s=... say the same thing."):format(flag, name))
    end
    params[name] = value
end

-- The object of labels out of NAME=VALUE words.
function spec.labels(list)
    local labels = {}
    for _, text in ipairs(list) do
        local name, value = split_pair("label", text)
        labels[name] = value
    end
    return labels
end

-- The change of labels out of NAME=VALUE words, and NAME- to remove one.
function spec.labels_change(list, null)
    local labels = {}
    for _, word in ipairs(list) do
        local gone = word:match("^([^=]+)%-$")
        local name, value = word:match("^([^=]+)=(.*)$")
        if not gone and not name then
            problem.usage(("A label is NAME=VALUE, not '%s'."):format(word), "To remove one: NAME-")
        end
        labels[gone or name] = gone and null or value
    end
    return labels
end

-- Returns the spec. options: of `deploy` (cli/deploy.lua); rest: the words behind --.
function spec.build(kind, name, options, rest, getenv)
    local params = {}
    if rest and options.command then problem.usage("--command and '-- ARGUMENT...' say the same thing.") end
    add_params(params, options.param or {})
    for flag, param in pairs(TEXTS) do
        if options[flag] then set_param(params, flag, param, options[flag]) end
    end
    for flag, param in pairs(LISTS) do
        local list = flag == "command" and rest or options[flag]
        if list and #list > 0 then set_param(params, flag, param, list) end
    end
    if options.env then set_param(params, "env", "env", read_env(options.env, getenv)) end
    local plain = options.plain
    if plain and #plain == 0 then plain = true end
    return demand.add({
        type = kind,
        name = name,
        params = next(params) and params or nil,
        count = options.count,
        cpu = options.cpu,
        memory = options.memory,
        plain = plain,
        labels = options.label and spec.labels(options.label) or nil,
    }, options)
end

return spec
