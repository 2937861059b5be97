-- Compiles policies in tests, and asks program and functions the same questions.

local compiler = require "compiler.compiler"
local rehearse = require "compiler.rehearse"
local sandbox = require "lib.sandbox"

local compiling = {}

local ROWS = 400
local FILE = "placement.lua"

-- Compiles a policy (default: "placement") all of whose functions must be, and holds the program to what Lua says.
-- Returns the program.
function compiling.agrees(source, rows, name)
    local file = name and name .. ".lua" or FILE
    local globals = sandbox.run(sandbox.compile(source, file))
    local result = compiler.compile(source, name)
    assert(not result.defect, result.defect)
    assert(not result.problem, result.problem and result.problem.problem)
    for _, entry in ipairs(result.functions) do
        assert(entry.compiled, ("%s: line %s: %s"):format(entry.name, entry.line, entry.why))
    end
    local difference = rehearse.compare(result.program, file, globals, 7, rows or ROWS, name)
    assert(not difference, ("%s\n%s"):format(difference, source))
    return result.program
end

-- The same for the body of one of the functions.
function compiling.score(body, rows)
    return compiling.agrees(("function score(node, workload)\n%s\nend"):format(body), rows)
end

function compiling.filter(body, rows)
    return compiling.agrees(("function filter(node, workload)\n%s\nend"):format(body), rows)
end

-- The same for the body of an admission's function.
function compiling.admit(body, rows)
    return compiling.agrees(("function admit(request, project)\n%s\nend"):format(body), rows, "admission")
end

-- The same for the body of an approval's function.
function compiling.approve(body, rows)
    return compiling.agrees(("function approve(node, token)\n%s\nend"):format(body), rows, "approval")
end

-- Compiles a policy that cannot be. Returns the entry of the function that is at fault.
function compiling.refused(source, name)
    sandbox.run(sandbox.compile(source, FILE))
    local result = compiler.compile(source, name)
    assert(not result.defect, result.defect)
    assert(not result.problem, result.problem and result.problem.problem)
    assert(not result.program, "it was compiled: " .. source)
    for _, entry in ipairs(result.functions) do
        if not entry.compiled then return entry end
    end
    error("nothing says why it is not compiled")
end

-- Compiles a file that is wrong. Returns {line, problem}.
function compiling.problem(source, name)
    return assert(compiler.compile(source, name).problem, "nothing was found")
end

return compiling
