-- Commands about people and their tokens: token, user.

local units = require "cli.units"

local SECTION = "People"

-- A command that prints a list: all items in JSON, or a row each.
local function list(target, header, row_of)
    return function(context, options)
        local items, texts = context:console():list(target)
        if options.json then
            context.out:line("[" .. table.concat(texts, ",") .. "]")
            return
        end
        local rows = {}
        for index, item in ipairs(items) do rows[index] = row_of(item) end
        context.out:table(header, rows)
    end
end

local function create_token(context, options, operands)
    local token, text = context:console():call("POST", "/api/v1/tokens", { name = operands.NAME, life = options.life })
    context.out:line(options.json and text or token.token)
end

local function remove_token(context, options, operands)
    context:console():call("DELETE", "/api/v1/tokens/" .. context.system.escape(operands.ID))
    if options.json then
        context:print_json { id = operands.ID, status = "removed" }
    else
        context.out:line(operands.ID)
    end
end

local function create_user(context, options, operands)
    context:console()
    local password = context:secret(options.password_file, ("Password for %s"):format(operands.NAME),
        "Give it by --password-file FILE; '-' reads it from stdin.", true)
    local user, text = context:console():call("POST", "/api/v1/users",
        { name = operands.NAME, password = password, role = options.role })
    context.out:line(options.json and text or user.name)
end

local function text(value)
    return value ~= nil and units.clean(value) or ""
end

return {
    {
        name = "token ls", section = SECTION, summary = "List your API tokens",
        run = list("/api/v1/tokens", { "ID", "NAME", "CREATED", "ENDS" }, function(token)
            return { text(token.id), text(token.name), units.moment(token.created_at),
                token.expires_at and units.moment(token.expires_at) or "never" }
        end),
    },
    {
        name = "token create",
        section = SECTION,
        summary = "Make an API token; it is shown this once",
        operands = { { name = "NAME" } },
        flags = { { name = "life", value = "TIME", help = "how long it is good: 12h, 30d (default for ever)" } },
        run = create_token,
    },
    {
        name = "token rm", section = SECTION, summary = "Take an API token back",
        operands = { { name = "ID" } }, run = remove_token,
    },
    {
        name = "user ls", section = SECTION, summary = "List users",
        run = list("/api/v1/users", { "NAME", "ROLE", "PROJECT", "CREATED" }, function(user)
            return { text(user.name), text(user.role), text(user.project), units.moment(user.created_at) }
        end),
    },
    {
        name = "user create",
        section = SECTION,
        summary = "Make a user, with a project of their own",
        operands = { { name = "NAME" } },
        flags = {
            { name = "role", value = "ROLE", help = "user or admin (default user)" },
            { name = "password-file", value = "FILE",
                help = "where the password stands; '-': the first line of stdin" },
        },
        run = create_user,
    },
}
