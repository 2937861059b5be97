-- One program after another: made from its seed, compiled, run by everything that runs programs, and compared with the
-- policy's own functions, called row by row.

local chance = require "fuzz.chance"
local compiler = require "compiler.compiler"
local direct = require "fuzz.direct"
local errors = require "lib.errors"
local evaluate = require "compiler.evaluate"
local frame = require "fuzz.frame"
local generate = require "fuzz.generate"
local native = require "fuzz.native"
local placement = require "lib.placement"
local sandbox = require "lib.sandbox"
local shrink = require "fuzz.shrink"

local fuzz = {}

local FILE = "placement.lua"
local FRAME_SEEDS = 64 -- programs that see the same frame
local DIRECT_EVERY = 5 -- one in so many is not compiled
local DIRECT_PAIRS = 6

local current = {}

-- The frame that a seed sees.
local function frame_of(seed)
    local group = seed // FRAME_SEEDS
    if current.group ~= group then
        current.group, current.frame = group, frame.new(chance.new(~group))
    end
    return current.frame
end

-- What the functions say of a row: a score, a reason, or {line, sentence} of an error.
local function asked(globals, node, workload)
    local ok, answer = errors.catch("policy", FILE, placement.answer, FILE, globals, node, workload)
    if not ok then return answer end
    return answer.ok and answer.score or answer.reason
end

-- What they say of all rows for a workload.
local function expected(ask, subject, rows, which)
    local answers, workload = {}, rows.workloads[which]
    for index, node in ipairs(rows.nodes) do answers[index] = ask(subject, node, workload) end
    return answers
end

-- Holds a program to what is asked of `subject`, before and after some rows and the workload changed. Returns nil, or
-- how they differ.
local function compare(program, ask, subject, seed)
    local rows, random = frame_of(seed), chance.new(seed ~ 0x5eed)
    local refusal = native.program(program, ask == asked)
    if refusal then
        -- Nobody has counted how long the texts of a direct program become.
        return (ask == asked or not refusal:find "too long a text") and "it is refused: " .. refusal or nil
    end
    local difference = native.compare(1, expected(ask, subject, rows, 1), random:below(1 << 20))
    if difference then return difference end
    local changes = frame.change(rows, random)
    difference = native.compare(2, expected(ask, subject, rows, 2), random:below(1 << 20))
    frame.restore(rows, changes)
    return difference and "after a change: " .. difference
end

-- Compiles and compares a source. Returns how they differ, or nil, and why it was not compiled.
function fuzz.source(source, seed)
    local ok, globals = pcall(function() return sandbox.run(sandbox.compile(source, FILE)) end)
    if not ok then return nil, "it does not load: " .. tostring(globals):gsub("%d+", "N") end
    local result = compiler.compile(source)
    if result.defect then return "the compiler failed: " .. result.defect end
    if result.problem then return nil, "problem: " .. result.problem.problem end
    if not result.program then
        for _, entry in ipairs(result.functions) do
            if not entry.compiled then return nil, entry.why end
        end
    end
    return compare(result.program, asked, globals, seed)
end

-- The program of a seed, and the pairs of operations that are its turn.
local function direct_program(seed)
    local wanted = {}
    for index = 1, DIRECT_PAIRS do
        wanted[index] = native.PAIRS[(seed // DIRECT_EVERY * DIRECT_PAIRS + index) % #native.PAIRS + 1]
    end
    return direct.program(chance.new(seed), wanted)
end

local function direct_one(seed)
    local program = direct_program(seed)
    local function ask(prepared, node, workload) return direct.answer(prepared, FILE, node, workload) end
    return compare(program, ask, evaluate.prepare(program), seed), program
end

-- What stays of a difference when the source is made smaller.
local function sort_of(difference)
    return difference:match "^[^:]+"
end

local function describe(program)
    local lines = {}
    for index, op in ipairs(program.ops) do
        local words = {}
        for at, word in ipairs(op) do words[at] = tostring(word) end
        lines[index] = ("%d: %s"):format(index - 1, table.concat(words, " "))
    end
    return table.concat(lines, "\n")
end

-- Does what the seed says. Returns nil and why it did not compile ("" when it did), or what differs and the source.
function fuzz.one(seed, shrinks)
    if seed % DIRECT_EVERY == 0 then
        local difference, program = direct_one(seed)
        return difference, difference and describe(program) or ""
    end
    local tree = generate.policy(chance.new(seed))
    local source = generate.text(tree)
    local difference, why = fuzz.source(source, seed)
    if not difference then return nil, why or "" end
    if shrinks then
        shrink.tree(tree, function(smaller)
            local still = fuzz.source(smaller, seed)
            return still and sort_of(still) == sort_of(difference)
        end)
        source = generate.text(tree)
        difference = fuzz.source(source, seed) or difference
    end
    return difference, source
end

-- What a seed's source is, and what its program looks like, for who looks into it.
function fuzz.show(seed)
    if seed % DIRECT_EVERY == 0 then return describe(direct_program(seed)) end
    return generate.text(generate.policy(chance.new(seed)))
end

return fuzz
