-- What differs between two texts, line by line, as `diff -u` shows it.
--
-- The longest common subsequence of what is left when the common beginning and end are taken away, by the table of
-- lengths. Where that table would be too large the rest is shown as taken out and put in as a whole.

local diff = {}

local AROUND = 3 -- lines shown around a difference
local CELLS_MAX = 4000000 -- of the table

local function lines_of(text)
    local lines = {}
    if text == "" then return lines end
    for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
    return lines
end

-- Returns how many lines are the same at the beginning, and behind these at the end.
local function common(a, b)
    local shorter = math.min(#a, #b)
    local first, last = 0, 0
    while first < shorter and a[first + 1] == b[first + 1] do first = first + 1 end
    while last < shorter - first and a[#a - last] == b[#b - last] do last = last + 1 end
    return first, last
end

-- lengths[i][j]: lines that a from i on and b from j on have in common, in order.
local function table_of_lengths(a, b, from, a_to, b_to)
    local lengths = { [a_to + 1] = setmetatable({}, { __index = function() return 0 end }) }
    for i = a_to, from, -1 do
        local row, below = { [b_to + 1] = 0 }, lengths[i + 1]
        for j = b_to, from, -1 do
            row[j] = a[i] == b[j] and below[j + 1] + 1 or math.max(below[j], row[j + 1])
        end
        lengths[i] = row
    end
    return lengths
end

-- Returns the way from a to b: {mark = " ", "-" or "+", line}.
local function script_of(a, b)
    local first, last = common(a, b)
    local from, a_to, b_to = first + 1, #a - last, #b - last
    local script = {}
    local function add(mark, line) script[#script + 1] = { mark = mark, line = line } end
    for at = 1, first do add(" ", a[at]) end
    local lengths = (a_to - first) * (b_to - first) <= CELLS_MAX and table_of_lengths(a, b, from, a_to, b_to)
    local i, j = from, from
    while lengths and i <= a_to and j <= b_to do
        if a[i] == b[j] then
            add(" ", a[i])
            i, j = i + 1, j + 1
        elseif lengths[i + 1][j] >= lengths[i][j + 1] then
            add("-", a[i])
            i = i + 1
        else
            add("+", b[j])
            j = j + 1
        end
    end
    for at = i, a_to do add("-", a[at]) end
    for at = j, b_to do add("+", b[at]) end
    for at = #a - last + 1, #a do add(" ", a[at]) end
    return script
end

-- Marks the entries of a script that are shown: differences, and what is around them.
local function shown_of(script)
    local shown = {}
    for at, entry in ipairs(script) do
        if entry.mark ~= " " then
            for near = math.max(1, at - AROUND), math.min(#script, at + AROUND) do shown[near] = true end
        end
    end
    return shown
end

-- One range of a hunk's head: "3,7", "3" for a single line, "2,0" for none behind line 2.
local function range(first, count)
    if count == 1 then return tostring(first) end
    return ("%d,%d"):format(count == 0 and first - 1 or first, count)
end

-- Returns the lines of a unified difference, without the names of the texts; none when they are the same.
function diff.unified(old, new)
    local script = script_of(lines_of(old), lines_of(new))
    local shown, out = shown_of(script), {}
    local old_at, new_at, at = 1, 1, 1
    while at <= #script do
        if not shown[at] then
            old_at, new_at, at = old_at + 1, new_at + 1, at + 1
        else
            local head, old_first, new_first = #out + 1, old_at, new_at
            out[head] = ""
            while shown[at] do
                local entry = script[at]
                out[#out + 1] = entry.mark .. entry.line
                if entry.mark ~= "+" then old_at = old_at + 1 end
                if entry.mark ~= "-" then new_at = new_at + 1 end
                at = at + 1
            end
            out[head] = ("@@ -%s +%s @@"):format(range(old_first, old_at - old_first),
                range(new_first, new_at - new_first))
        end
    end
    return out
end

return diff
