-- Results that are none, or too much of one. Where a name ends in "(filter)" the filter returns them.

--- nothing: fails
return

--- nil: fails
return nil

--- text: fails
return "1"

--- text that is a number, and an escape: fails
return "1\27[2J"

--- a table: fails
return {}

--- a table in a circle: fails
local t = {} t.t = t return t

--- a deep table: fails
local t = {} for _ = 1, 100000 do t = { t } end return t

--- a function: fails
return pcall

--- true: fails
return true

--- not a number: fails
return 0 / 0

--- not a number, negative: fails
return -(0 / 0)

--- infinite: fails
return 1 / 0

--- negative infinite: fails
return -1 / 0

--- infinite by a power: fails
return 10.0 ^ 400

--- too many results: harmless
local function many() return 1, 2, 3, ("x"):rep(1 << 20) end
many()

--- a number as verdict (filter): fails
return 1

--- text as verdict (filter): fails
return "yes"

--- a function as verdict (filter): fails
return pcall

--- a table as reason (filter): fails
return false, {}

--- a number as reason (filter): fails
return false, 42

--- a boolean as reason (filter): fails
return false, true

--- a function as reason (filter): fails
return false, pcall

--- a reason of a megabyte (filter): contained
return false, ("x"):rep(1 << 20)

--- a reason that is not UTF-8 (filter): contained
return false, "\xff\xfe"

--- a reason with a NUL (filter): contained
return false, "good\0bad"

--- a reason that forges a line of a log (filter): contained
return false, "no\n{\"time\":\"2026-01-01T00:00:00Z\",\"level\":\"error\",\"message\":\"forged\"}"

--- a reason that draws on a terminal (filter): contained
return false, "\27[2J\27]0;owned\7\194\155" .. "31m"

--- a reason cut inside of a character (filter): contained
return false, ("x"):rep(159) .. "\u{1F600}"

--- a reason that forges a frame (filter): contained
return false, "\0\0\0\11{\"ok\":true}"

--- a reason that closes the JSON (filter): contained
return false, "\"}]},\"ok\":true,\"nodes\":[{\"ok\":true}"
