-- The environment of a file: fresh for every run, made from an allow-list, so that nothing of one run is
-- there in the next.
--
--   load phase    the file's own chunk runs and defines its globals
--   run phase     the console calls what it defined; a global can no longer be set
--
-- A chunk is compiled once. Each run joins its _ENV to a new cell, so that functions that were made in an
-- earlier run, if anything still held one, would keep seeing their own.

local api = require "api.api"
local nearest = require "lib.nearest"
local ordered = require "lib.ordered"

local sandbox = {}

-- Copies of the functions, so that whatever a run did to its tables is gone with it.
local function builtins()
    local globals = {}
    for library, names in pairs(api.builtins) do
        local from = library == "" and _G or _G[library]
        local to = globals
        if library ~= "" then
            to = {}
            globals[library] = to
        end
        for _, name in ipairs(names) do to[name] = from[name] end
    end
    globals.pairs, globals.next = ordered.pairs, ordered.next
    return globals
end

local function known_names(globals)
    local names = {}
    for name in pairs(globals) do names[#names + 1] = name end
    table.sort(names)
    return names
end

-- A closure with an upvalue of its own.
local function cell(value)
    return function() return value end
end

-- Compiles the text of a file; raises what is wrong with it. Bytecode is no text.
function sandbox.compile(source, file)
    local chunk, message = load(source, "@" .. file, "t", {})
    if not chunk then error(message, 0) end
    return chunk
end

-- Runs a compiled file in a fresh environment. Returns the globals that it defined, and all that there are.
-- `libraries` are further globals, by name.
function sandbox.run(chunk, libraries)
    local globals = builtins()
    for name, library in pairs(libraries or {}) do globals[name] = library end
    local loading = true
    local defined = {}
    setmetatable(globals, {
        __index = function(_, name)
            local text = type(name) == "string" and name or type(name)
            error(("there is no '%s' here%s"):format(text, nearest.hint(text, known_names(globals))), 2)
        end,
    })
    local env = setmetatable({}, {
        __metatable = false,
        __index = globals,
        __newindex = function(_, name, value)
            if not loading then
                error(("a file keeps no state: the global '%s' is set while deciding (make it local)"):format(
                    tostring(name)), 2)
            end
            rawset(globals, name, value)
            defined[name] = value
        end,
    })
    debug.upvaluejoin(chunk, 1, cell(env), 1)
    chunk()
    loading = false
    return defined, globals
end

-- Takes away what the allow-list leaves out but methods of strings would still reach (dump, above all). For
-- the jailed host: it holds for the whole state.
function sandbox.harden()
    local metatable = debug.getmetatable("")
    local methods = {}
    for _, name in ipairs(api.builtins.string) do methods[name] = string[name] end
    metatable.__index = methods
    metatable.__metatable = false
end

return sandbox
