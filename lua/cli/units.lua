-- Numbers, times and texts as people read them.

local units = {}

local STEPS = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } }
local RATES = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s" }
local SIZES = { "bytes", "KiB", "MiB", "GiB", "TiB" }

-- 90000 ms -> "1m"
function units.age(ms)
    local seconds = math.max(0, ms // 1000)
    for _, step in ipairs(STEPS) do
        if seconds >= step[2] then return ("%d%s"):format(seconds // step[2], step[1]) end
    end
    return "0s"
end

-- 134217728 -> "128 MiB"
function units.size(bytes)
    local size, step = bytes, 1
    while size >= 1024 and step < #SIZES do
        size, step = size / 1024, step + 1
    end
    local digits = (size < 10 and size ~= math.floor(size)) and "%.1f %s" or "%.0f %s"
    return digits:format(size, SIZES[step])
end

-- 100000000 -> "100 Mbit/s"; links count in thousands
function units.rate(bps)
    local rate, step = bps, 1
    while rate >= 1000 and step < #RATES do
        rate, step = rate / 1000, step + 1
    end
    local digits = (rate < 10 and rate ~= math.floor(rate)) and "%.1f %s" or "%.0f %s"
    return digits:format(rate, RATES[step])
end

-- 1500 -> "1.5"
function units.cpu(milli)
    return (("%.3f"):format(milli / 1000):gsub("%.?0+$", ""))
end

-- 1, "instance" -> "1 instance"; 2 -> "2 instances"
function units.count(number, word)
    return ("%d %s%s"):format(number, word, number == 1 and "" or "s")
end

-- "2026-11-21T00:51:02.123Z" -> "2026-11-21 00:51:02"
function units.moment(time)
    return time and (time:sub(1, 19):gsub("T", " ")) or ""
end

-- Text from elsewhere, without what a terminal would obey.
function units.clean(text)
    return (tostring(text):gsub("\xC2[\x80-\x9F]", "?"):gsub("%s+", " "):gsub("%c", "?"))
end

-- { tier = "front", a = "1" } -> "a=1, tier=front"
function units.labels(labels)
    local parts = {}
    for name, value in pairs(type(labels) == "table" and labels or {}) do
        parts[#parts + 1] = ("%s=%s"):format(units.clean(name), units.clean(value))
    end
    table.sort(parts)
    return table.concat(parts, ", ")
end

-- How many columns a text takes (wide characters apart).
function units.width(text)
    return utf8.len(text) or #text
end

-- The first so many columns of a text.
function units.cut(text, columns)
    if columns == math.huge or units.width(text) <= columns then return text end
    local stop = utf8.len(text) and utf8.offset(text, columns) or columns
    return text:sub(1, stop - 1) .. "…"
end

return units
