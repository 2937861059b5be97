-- What goes wrong in a file of an operator or author, told so that they can put it right.
--
-- A problem is a table {code, sentence, line, field, hint}; it becomes a struct lat_err in the console. A
-- file cannot forge one: it has no setmetatable.

local errors = {}

local problem_mark = { __name = "problem", __metatable = false }

local SENTENCE_MAX = 300

-- Makes a problem; raise it with error(problem, 0).
function errors.problem(members)
    return setmetatable(members, problem_mark)
end

-- Raises what a user of the file (not its author) did wrong.
function errors.refuse(field, sentence, hint)
    error(errors.problem { code = "invalid_field", field = field, sentence = sentence, hint = hint }, 0)
end

-- Without `debug`, of which a file sees nothing, getmetatable would say false.
local function is_problem(value)
    return type(value) == "table" and debug.getmetatable(value) == problem_mark
end

-- Returns the line of `file` that is running, seen from an error handler, or nil.
local function running_line(file)
    for level = 2, 200 do
        local info = debug.getinfo(level, "Sl")
        if not info then return nil end
        if info.source == "@" .. file and info.currentline > 0 then return info.currentline end
    end
end

-- Returns the problem that stands for an error raised while `file` ran. Never calls a metamethod of the value.
local function describe(raised, code, file, line)
    local is_text = type(raised) == "string" or type(raised) == "number"
    local text = is_text and tostring(raised) or ("an error that is a %s, not text"):format(type(raised))
    local at, rest = text:match("^" .. file:gsub("%p", "%%%0") .. ":(%d+): (.*)$")
    if at then
        line, text = math.tointeger(at), rest
    end
    return errors.problem {
        code = code,
        sentence = ("%s%s: %s"):format(file, line and (":%d"):format(line) or "", text:sub(1, SENTENCE_MAX)),
        line = line,
    }
end

-- Calls fn(...) and returns its results behind true, or false and a problem.
function errors.catch(code, file, fn, ...)
    local function handler(raised)
        if is_problem(raised) then return raised end
        return describe(raised, code, file, running_line(file))
    end
    local function finish(ok, first, ...)
        if not ok and not is_problem(first) then first = describe(first, code, file) end
        return ok, first, ...
    end
    return finish(xpcall(fn, handler, ...))
end

return errors
