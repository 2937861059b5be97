-- What goes wrong in a command, on its way to main.lua, which tells the user and gives the exit status.
--
-- A problem has the members of the API's application/problem+json: code, detail, and where known hint, field,
-- request_id. Codes are those of the one table of errors (core/base/err.h); problems of the console itself are
-- raised as they came.

local nearest = require "lib.nearest"

local problem = {}

local mark = { __name = "problem" }

-- Raises a problem {code, detail, hint, ...}.
function problem.raise(members)
    error(setmetatable(members, mark), 0)
end

-- Raises that the command was not written as it is understood; exit status 2.
function problem.usage(detail, hint)
    problem.raise { code = "invalid", detail = detail, hint = hint }
end

-- Raises that a word is not one of those that are known; `what` is such as "command", help says where all are listed.
function problem.unknown(what, word, known, help)
    local best = nearest.word(word, known)
    problem.usage(("There is no %s '%s'."):format(what, word),
        best and ("Did you mean '%s'? %s"):format(best, help) or help)
end

function problem.is(value)
    return getmetatable(value) == mark
end

-- Returns what a call of a binding returned, or raises what it gave behind nil: {code, detail, ...}, or a text that
-- says why what was given cannot be written as JSON.
function problem.check(value, err, ...)
    if value == nil and type(err) == "string" then
        problem.usage("This cannot be sent: " .. err, "Look for a word that is not written in UTF-8.")
    end
    if value == nil and err then problem.raise(err) end
    return value, err, ...
end

-- Returns the text of a file that the user named, or raises that there is none.
function problem.read_file(system, path)
    local text, err = system.read_file(path)
    if text then return text end
    if err.code == "not_found" then problem.usage(("There is no file '%s'."):format(path), "Check the path.") end
    problem.raise(err)
end

-- Ends the command with an exit status and without a word.
function problem.leave(status)
    problem.raise { code = "left", status = status }
end

return problem
