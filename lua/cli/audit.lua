-- Commands about the audit trail: audit, audit verify.

local problem = require "cli.problem"
local units = require "cli.units"

local SECTION = "People"
local SHOWN = 50
local FILTERS = { "project", "actor", "object", "action", "since", "until" }

local function target(context, options)
    local query = {}
    for _, name in ipairs(FILTERS) do
        if options[name] then query[#query + 1] = name .. "=" .. context.system.escape(options[name]) end
    end
    if not options.all then query[#query + 1] = "limit=" .. (options.limit or SHOWN) end
    return #query > 0 and "/api/v1/audit?" .. table.concat(query, "&") or "/api/v1/audit"
end

local function read(context, options)
    local console = context:console()
    if options.all then return console:list(target(context, options)) end
    local answer, text = console:get(target(context, options))
    return answer.items, problem.check(context.system.items(text, "items")), answer.next
end

local function object_of(row)
    if row.object_table == "" then return units.clean(row.object_name or "") end
    local name = row.object_name ~= "" and row.object_name or row.object_id
    return ("%s %s"):format(units.clean((row.object_table:gsub("_", " "))), units.clean(name))
end

local function audit(context, options)
    local items, texts, more = read(context, options)
    if options.json then
        context.out:line("[" .. table.concat(texts, ",") .. "]")
        return
    end
    local rows = {}
    for index, row in ipairs(items) do
        rows[index] = { tostring(row.sequence), units.moment(row.at), units.clean(row.actor_name),
            units.clean(row.action), object_of(row), units.clean(row.address) }
    end
    context.out:table({ "#", "WHEN", "WHO", "DID", "TO", "FROM" }, rows)
    if #items == 0 then context.out:note("Nothing is there.")
    elseif more then context.out:note("There is more: --limit NUMBER, or --all") end
end

local function verify(context, options)
    local verdict, text = context:console():get("/api/v1/audit/verify")
    if options.json then context.out:line(text) end
    if not verdict.sound then
        problem.raise {
            code = "conflict",
            detail = ("The audit trail was altered: row %d %s."):format(verdict.broken_at, units.clean(verdict.what)),
            hint = "Compare the database with a backup of it.",
        }
    end
    if not options.json then
        context.out:line(("rows %d to %d are as they were written"):format(verdict.first, verdict.last))
    end
end

return {
    {
        name = "audit",
        section = SECTION,
        summary = "Show who did what, the newest first",
        flags = {
            { name = "project", value = "NAME", help = "only what was done in this project" },
            { name = "actor", value = "USER", help = "only what this user did, or the token with this id" },
            { name = "object", value = "ID", help = "only what was done to this" },
            { name = "action", value = "ACTION", help = "only this: workload.create, session.refused, ..." },
            { name = "since", value = "TIME", help = "from then on: 2026-11-21T08:00:00Z, or how long ago: 12h" },
            { name = "until", value = "TIME", help = "before then" },
            { name = "limit", value = "NUMBER", kind = "integer", min = 1, max = 500,
                help = ("how many (default %d)"):format(SHOWN) },
            { name = "all", help = "all there are" },
        },
        details = "An administrator sees everything, a user what was done in their own project.",
        examples = { "lattice audit --since 24h", "lattice audit --action session.refused" },
        run = audit,
    },
    {
        name = "audit verify",
        section = SECTION,
        summary = "Check that nobody altered the audit trail",
        details = "Each row holds a hash over itself and the row before it. Ends with an error where one does not fit.",
        run = verify,
    },
}
