-- Runs a plugin: params in, container out.

local api = require "api.api"
local library = require "lib.library"
local manifest = require "lib.manifest"
local params = require "lib.params"
local sandbox = require "lib.sandbox"
local strict = require "lib.strict"

local plugin = {}

local descriptions = {}
for _, description in ipairs(api.objects) do descriptions[description.name] = description end
local as_spec = strict.object(descriptions.spec)
local as_context = strict.object(descriptions.context)

-- Lists of a rendered container. In JSON an empty Lua table reads as an object, so that an empty list is left out.
local LISTS = { "entrypoint", "command", "volumes", "ports" }

local function tidy(rendered, input)
    local container = rendered.container
    if type(container) ~= "table" then error("render returned no container", 0) end
    for _, name in ipairs(LISTS) do
        if type(container[name]) == "table" and next(container[name]) == nil then container[name] = nil end
    end
    if type(rendered.endpoints) == "table" and next(rendered.endpoints) == nil then rendered.endpoints = nil end
    -- What a user asks for holds for every type, whatever the plugin would give.
    if input.cpu_milli > 0 then container.cpu_milli = input.cpu_milli end
    if input.memory_bytes > 0 then container.memory_bytes = input.memory_bytes end
    return rendered
end

-- Answers {spec, cpu_milli, memory_bytes, entropy, credentials} with {container, endpoints, credentials}.
function plugin.render(loaded, input)
    local values = params.check(loaded.manifest, input.spec.params)
    local globals = sandbox.run(loaded.chunk, { lattice = library.new("plugins", { entropy = input.entropy }) })
    local spec = as_spec {
        name = input.spec.name,
        type = input.spec.type,
        count = input.spec.count or 1,
        cpu_milli = input.cpu_milli,
        memory_bytes = input.memory_bytes,
        params = values,
    }
    local rendered = globals.render(spec, as_context { credentials = input.credentials or {} })
    if type(rendered) ~= "table" then
        error(("render returned a %s, not a table"):format(type(rendered)), 0)
    end
    return tidy(rendered, input)
end

-- Renders once with the defaults, where these suffice, so that a mistake is found when the plugin is loaded.
local function rehearse(loaded)
    for _, param in pairs(loaded.manifest.params) do
        if param.required then return end
    end
    plugin.render(loaded, {
        spec = { name = "rehearsal", type = loaded.manifest.name },
        cpu_milli = 0,
        memory_bytes = 0,
        entropy = ("5a"):rep(256),
    })
end

-- Checks and compiles a plugin; raises what is wrong with it.
function plugin.load(name, file, source, plugin_manifest)
    manifest.check(name, plugin_manifest)
    local loaded = { manifest = plugin_manifest, chunk = sandbox.compile(source, file) }
    local globals = sandbox.run(loaded.chunk, { lattice = library.new("plugins", { entropy = "" }) })
    if type(globals.render) ~= "function" then
        error(("%s defines no function render(spec, context)"):format(file), 0)
    end
    rehearse(loaded)
    return loaded
end

return plugin
