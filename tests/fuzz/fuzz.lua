-- One program after another: made from its seed, compiled, run by everything that runs programs, and compared with the
-- policy's own functions, called row by row.

local chance = require "fuzz.chance"
local compiler = require "compiler.compiler"
local direct = require "fuzz.direct"
local errors = require "lib.errors"
local evaluate = require "compiler.evaluate"
local frame = require "fuzz.frame"
local generate = require "fuzz.generate"
local kinds = require "fuzz.kinds"
local native = require "fuzz.native"
local sandbox = require "lib.sandbox"
local shrink = require "fuzz.shrink"

local fuzz = {}

local FRAME_SEEDS = 64 -- programs that see the same frame
local DIRECT_EVERY = 5 -- one in so many is not compiled
local DIRECT_PAIRS = 6
local RULED_EVERY = 8 -- one in so many rules, and places nothing

local current = {}

-- The frame that a seed sees.
local function frame_of(seed)
    local group = seed // FRAME_SEEDS
    if current.group ~= group then
        current.group, current.frame = group, frame.new(chance.new(~group))
    end
    return current.frame
end

-- What the functions say: a score, a reason, {asks = reason}, or {line, sentence} of an error.
local function asked(kind, globals, ...)
    local ok, answer = errors.catch("policy", kind.file, kind.answer, kind.file, globals, ...)
    return answer, ok
end

-- Holds a program that rules to what is asked of `subject`.
local function compare_rulings(kind, ask, subject, rows)
    local answers = {}
    for index, question in ipairs(rows.questions[kind.name]) do
        answers[index] = ask(kind, subject, table.unpack(question))
    end
    return native.rule(answers)
end

-- What is said of all rows for a workload.
local function expected(kind, ask, subject, rows, which)
    local answers, workload = {}, rows.workloads[which]
    for index, node in ipairs(rows.nodes) do answers[index] = ask(kind, subject, node, workload) end
    return answers
end

-- The same for one that places, before and after some rows and the workload changed.
local function compare_rows(kind, ask, subject, rows, random)
    local difference = native.compare(1, expected(kind, ask, subject, rows, 1), random:below(1 << 20))
    if difference then return difference end
    local changes = frame.change(rows, random)
    difference = native.compare(2, expected(kind, ask, subject, rows, 2), random:below(1 << 20))
    frame.restore(rows, changes)
    return difference and "after a change: " .. difference
end

-- Holds a program to what is asked of `subject`. Returns nil, or how they differ.
local function compare(kind, program, ask, subject, seed)
    local rows = frame_of(seed)
    local refusal = native.program(kind.name, program, ask == asked)
    if refusal then
        -- Nobody has counted how long the texts of a direct program become, and what that costs.
        local is_uncounted = refusal:find "too long a text" or refusal:find "more work for each node"
        return (ask == asked or not is_uncounted) and "it is refused: " .. refusal or nil
    end
    if kind ~= kinds.placement then return compare_rulings(kind, ask, subject, rows) end
    return compare_rows(kind, ask, subject, rows, chance.new(seed ~ 0x5eed))
end

-- Compiles and compares a source. Returns how they differ, or nil, and why it was not compiled.
function fuzz.source(kind, source, seed)
    local ok, globals = pcall(function() return sandbox.run(sandbox.compile(source, kind.file)) end)
    if not ok then return nil, "it does not load: " .. tostring(globals):gsub("%d+", "N") end
    local result = compiler.compile(source, kind.name)
    if result.defect then return "the compiler failed: " .. result.defect end
    if result.problem then return nil, "problem: " .. result.problem.problem end
    if not result.program then
        for _, entry in ipairs(result.functions) do
            if not entry.compiled then return nil, entry.why end
        end
    end
    return compare(kind, result.program, asked, globals, seed)
end

-- Returns the kind of policy that a seed is about, and how many of that kind are before `turn`.
local function kind_of(turn)
    local round = turn // RULED_EVERY
    if turn % RULED_EVERY ~= 0 then return kinds.placement, turn - round - 1 end
    return kinds.RULINGS[round % #kinds.RULINGS + 1], round // #kinds.RULINGS
end

-- The program of a seed, its kind, and the pairs of operations that are its turn.
local function direct_program(seed)
    local kind, turn = kind_of(seed // DIRECT_EVERY)
    local wanted = {}
    for index = 1, DIRECT_PAIRS do
        wanted[index] = native.PAIRS[(turn * DIRECT_PAIRS + index) % #native.PAIRS + 1]
    end
    return direct.program(chance.new(seed), wanted, kind), kind
end

local function direct_one(seed)
    local program, kind = direct_program(seed)
    return compare(kind, program, direct.answer, evaluate.prepare(program), seed), program
end

local function policy_of(seed)
    local kind = kind_of(seed - seed // DIRECT_EVERY)
    return generate.policy(chance.new(seed), kind), kind
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
    local tree, kind = policy_of(seed)
    local source = generate.text(tree)
    local difference, why = fuzz.source(kind, source, seed)
    if not difference then return nil, why or "" end
    if shrinks then
        shrink.tree(tree, function(smaller)
            local still = fuzz.source(kind, smaller, seed)
            return still and sort_of(still) == sort_of(difference)
        end)
        source = generate.text(tree)
        difference = fuzz.source(kind, source, seed) or difference
    end
    return difference, source
end

-- What a seed's source is, and what its program looks like, for who looks into it.
function fuzz.show(seed)
    if seed % DIRECT_EVERY == 0 then return describe((direct_program(seed))) end
    return generate.text((policy_of(seed)))
end

return fuzz
