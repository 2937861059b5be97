-- What the load of a policy answers about its program.

local compiler = require "compiler.compiler"
local errors = require "lib.errors"
local rehearse = require "compiler.rehearse"

local compiled = {}

-- Rows on which a new program is held against its functions: the more, the smaller it is.
local REHEARSED_OPS, ROWS_MIN, ROWS_MAX = 20000, 4, 64

-- Nothing of a program is left when it cannot be trusted: Lua itself is asked.
local function give_up(answer, defect)
    answer.program, answer.defect = nil, defect
    for _, entry in ipairs(answer.functions) do
        entry.compiled, entry.ops, entry.line = false, nil, 1
        entry.why = "the compiler failed: " .. defect
        entry.instead = "nothing: Lua itself is asked; please report this"
    end
    return answer
end

-- Returns {program, functions, defect} as in compiler.compile. globals: what the file defined.
-- Raises a problem where the file names what is not there.
function compiled.answer(policy, file, source, globals)
    local ok, answer = pcall(compiler.compile, source, policy)
    if not ok then return give_up({ functions = {} }, tostring(answer)) end
    local problem = answer.problem
    if problem then
        error(errors.problem { code = "policy", line = problem.line,
            sentence = ("%s:%d: %s"):format(file, problem.line, problem.problem) }, 0)
    end
    if answer.program then
        local rows = math.max(ROWS_MIN, math.min(ROWS_MAX, REHEARSED_OPS // #answer.program.ops))
        local fine, difference = pcall(rehearse.compare, answer.program, file, globals, 1, rows, policy)
        if not fine or difference then
            return give_up(answer, "program and policy differ: " .. tostring(difference))
        end
    end
    return answer
end

return compiled
