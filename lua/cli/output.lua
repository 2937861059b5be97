-- What a command says: results on stdout; notes, progress and problems on stderr.
--
-- Colour and the line of progress that rewrites itself are for terminals alone, and colour never with NO_COLOR.
-- A reader that went away (`lattice logs web | head`) ends the command without a word.

local problem = require "cli.problem"
local units = require "cli.units"

local output = {}
output.__index = output

local EPIPE, BROKEN_PIPE_STATUS = 32, 141
local LAST_COLUMN_MIN = 20
local COLOURS = { red = 31, green = 32, yellow = 33, dim = 2, bold = 1 }
local STATUS_COLOURS = {
    running = "green", completed = "green", ready = "green", stopped = "dim",
    failed = "red", unhealthy = "red", unreachable = "red", revoked = "red", engine_down = "red",
}

-- streams: {stdout, stderr}; terminal: the binding; options: {json, environment}.
function output.new(streams, terminal, options)
    local getenv = options.getenv
    local plain = (getenv "NO_COLOR" or "") ~= "" or getenv "TERM" == "dumb"
    return setmetatable({
        stdout = streams.stdout,
        stderr = streams.stderr,
        terminal = terminal,
        json = options.json,
        colour = terminal.is "stdout" and not plain,
        live = terminal.is "stderr" and getenv "TERM" ~= "dumb",
        shown = false,
    }, output)
end

local function check(ok, message, number)
    if ok then return end
    if number == EPIPE then problem.leave(BROKEN_PIPE_STATUS) end
    problem.raise { code = "io", detail = ("Writing failed: %s."):format(message) }
end

-- ---- stdout

-- Bytes as they are, at once.
function output:raw(bytes)
    self:clear()
    check(self.stdout:write(bytes))
    check(self.stdout:flush())
end

function output:line(text)
    self:clear()
    check(self.stdout:write(text, "\n"))
end

function output:flush()
    self:clear()
    check(self.stdout:flush())
end

function output:paint(colour, text)
    if not self.colour or not COLOURS[colour] then return text end
    return ("\27[%dm%s\27[0m"):format(COLOURS[colour], text)
end

-- A status in its colour; one that is not known here is shown like any other.
function output:status(status)
    return self:paint(STATUS_COLOURS[status] or "yellow", status)
end

-- Width of a text without its colours.
local function visible(text)
    return units.width((text:gsub("\27%[%d*m", "")))
end

-- rows: arrays of text, as long as header. Columns without any text are left out, and a table without rows too. On a
-- terminal the last column is cut to what is left of the line.
function output:table(header, rows)
    local widths, wanted = {}, {}
    local room = self.terminal.width "stdout" or math.huge
    for column, title in ipairs(header) do
        widths[column] = visible(title)
        for _, row in ipairs(rows) do
            widths[column] = math.max(widths[column], visible(row[column]))
            if row[column] ~= "" then wanted[column] = true end
        end
    end
    local function print_row(row, colour)
        local cells, used = {}, 0
        for column, cell in ipairs(row) do
            if wanted[column] then
                if column == #row and room - used >= LAST_COLUMN_MIN then cell = units.cut(cell, room - used) end
                cells[#cells + 1] = cell .. (" "):rep(widths[column] - visible(cell))
                used = used + widths[column] + 3
            end
        end
        local line = table.concat(cells, "   "):gsub("%s+$", "")
        self:line(colour and self:paint(colour, line) or line)
    end
    if #rows > 0 then print_row(header, "dim") end
    for _, row in ipairs(rows) do print_row(row) end
end

-- pairs_list: {{name, text}, ...}, one below the other; those without a text are left out.
function output:fields(pairs_list, indent)
    local widest = 0
    for _, pair in ipairs(pairs_list) do
        if pair[2] ~= "" then widest = math.max(widest, visible(pair[1])) end
    end
    for _, pair in ipairs(pairs_list) do
        if pair[2] ~= "" then
            self:line((" "):rep(indent) .. pair[1] .. (" "):rep(widest - visible(pair[1]) + 3) .. pair[2])
        end
    end
end

-- ---- stderr

-- Takes the line of progress away.
function output:clear()
    if self.shown then
        self.stderr:write("\r\27[K")
        self.stderr:flush()
        self.shown = false
    end
end

function output:note(text)
    self:clear()
    self.stderr:write(text, "\n")
end

-- Shows how far something is: one line that is rewritten on a terminal, else a line for each step; `step` is
-- what tells two steps apart (a percentage is not one). Silent with --json unless somebody looks on.
function output:progress(step, text)
    if self.live then
        self.stderr:write("\r", units.cut(text, (self.terminal.width "stderr" or 80) - 1), "\27[K")
        self.stderr:flush()
        self.shown = true
    elseif step ~= self.step and text ~= self.said and not self.json then
        self.stderr:write(text, "\n")
    end
    self.step, self.said = step, text
end

-- Tells of a problem (cli/problem.lua): as text, or with --json as one line of JSON.
function output:problem(raised, encode)
    self:clear()
    if self.json then
        local text = encode(raised)
        if not text then -- it names what is not UTF-8, such as a path: JSON has no bytes for that
            for name, value in pairs(raised) do
                raised[name] = type(value) == "string" and value:gsub("[\x80-\xFF]", "?") or value
            end
            text = encode(raised)
        end
        self.stderr:write(text, "\n")
        return
    end
    self.stderr:write("lattice: ", units.clean(raised.detail or raised.code), "\n")
    if raised.hint and raised.hint ~= "" then
        self.stderr:write("  ", (raised.hint:gsub("\27", "?")), "\n")
    end
    if raised.request_id then
        self.stderr:write("  request id: ", units.clean(raised.request_id), "\n")
    end
end

return output
