-- Reasons of policies as they are told.

local reason = {}

local REASON_MAX = 160 -- bytes

-- Makes what is no UTF-8 (parts of characters, that a file cut) question marks: reasons travel as JSON.
local function mended(text)
    local _, bad = utf8.len(text)
    while bad do
        text = text:sub(1, bad - 1) .. "?" .. text:sub(bad + 1)
        _, bad = utf8.len(text, bad)
    end
    return text
end

-- Returns a reason cut to size, between two characters.
function reason.told(text)
    text = mended(text)
    if #text <= REASON_MAX then return text end
    local last = REASON_MAX
    while last > 0 and text:byte(last + 1) & 0xC0 == 0x80 do last = last - 1 end
    return text:sub(1, last)
end

return reason
