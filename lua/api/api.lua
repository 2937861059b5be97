-- The Lua API, described once. From this table come the checks of arguments and fields (lua/lib), the types
-- for editors (lua/api/lattice.d.lua) and the manual (docs/lua/api.md); lua/api/generate.lua writes the last
-- two, and a test fails while they are stale.
--
-- Pure data. Every entry has `since`, the API version that brought it; an entry is never changed in meaning.

local function field(name, type, doc, example)
    return { name = name, type = type, doc = doc, example = example, since = 1 }
end

return {
    version = 1,

    -- What a policy or a plugin is handed. Reading a field that is not listed is an error.
    objects = {
        {
            name = "node",
            doc = "A node as a placement policy sees it.",
            fields = {
                field("id", "string", "its id", "01932a5e-0000-7000-8000-000000000001"),
                field("name", "string", "its name", "node-1"),
                field("pool", "string", "the pool it belongs to", "default"),
                field("architecture", "string", "amd64, arm64, ...", "amd64"),
                field("os", "string", "name and version of its system", "Debian GNU/Linux 12"),
                field("healthy", "boolean", "it is linked and its engine answers", true),
                field("on_battery", "boolean", "it runs on its battery now", false),
                field("labels", "table<string, string>", "its labels; one that it does not have is nil", {}),
                field("attributes", "table<string, string>",
                    "what its agent found out of it; one that it does not have is nil", {}),
                field("cpu", "number", "processors in all", 4.0),
                field("free_cpu", "number", "processors that no allocation has reserved", 3.5),
                field("memory", "integer", "bytes of memory in all", 8589934592),
                field("free_memory", "integer", "bytes of memory that no allocation has reserved", 4294967296),
                field("disk", "integer", "bytes of the disk that holds the engine's data", 107374182400),
                field("free_disk", "integer", "bytes free on that disk", 53687091200),
                field("bandwidth", "integer", "bits a second of its line to the network; 0 when not known", 1000000000),
                field("free_bandwidth", "integer", "bits a second of it that no allocation has reserved", 1000000000),
                field("allocations", "integer", "instances of any workload that stand on it", 2),
                field("rank", "integer", "its standing, 0 to 1000", 500),
                field("gpus", "integer", "devices in all", 0),
                field("free_gpus", "integer", "devices of which nobody has a share", 0),
                field("gpu_model", "string|nil", "model of its devices; nil when it has none", nil),
                field("gpu_memory", "integer", "bytes of memory of one device; 0 when it has none", 0),
                field("free_gpu_share", "number", "largest share of one device that is free, 0 to 1", 0.0),
                field("available_seconds", "integer",
                    "seconds until its owner's hours end; math.maxinteger when they do not", math.maxinteger),
                field("workload_instances", "integer", "instances of this workload that stand on it", 0),
                field("has_image", "boolean", "it has the workload's image already", false),
                field("has_data", "boolean", "a volume of this instance lives on it", false),
            },
        },
        {
            name = "workload",
            doc = "The workload of which one more instance is to be placed.",
            fields = {
                field("id", "string", "its id", "01932a5e-0000-7000-8000-000000000002"),
                field("name", "string", "its name", "my-db"),
                field("project", "string", "name of its project", "admin"),
                field("type", "string", "the plugin that made it", "postgres"),
                field("kind", "string", "service, or task, which comes to an end", "service"),
                field("pool", "string|nil", "the pool it asks for; nil when it does not", nil),
                field("labels", "table<string, string>", "its labels; one that it does not have is nil", {}),
                field("count", "integer", "instances that are wanted", 1),
                field("cpu", "number", "processors that an instance reserves; 0 when none", 0.5),
                field("memory", "integer", "bytes of memory that an instance reserves; 0 when none", 268435456),
                field("disk", "integer", "bytes of disk that an instance reserves; 0 when none", 0),
                field("bandwidth", "integer", "bits a second that an instance reserves; 0 when none", 0),
                field("gpus", "integer", "whole devices that an instance gets", 0),
                field("gpu_share", "number", "share of one device that an instance gets instead; 0 when none", 0.0),
                field("gpu_model", "string|nil", "model that its devices have to be; nil for any", nil),
                field("gpu_memory", "integer", "bytes of memory that each device needs at least", 0),
                field("priority", "integer", "0 to 100", 50),
            },
        },
        {
            name = "request",
            doc = "What somebody wants: a workload to be made, changed, or given more instances.",
            fields = {
                field("action", "string", "create, change or scale", "create"),
                field("user", "string", "name of who asks", "ada"),
                field("admin", "boolean", "they are an administrator", false),
                field("name", "string", "name of the workload", "my-db"),
                field("project", "string", "name of its project", "ada"),
                field("type", "string", "the plugin that makes it", "postgres"),
                field("kind", "string", "service, or task: runs to its end", "service"),
                field("image", "string", "image that its containers run", "postgres:16"),
                field("labels", "table<string, string>", "its labels; one that it does not have is nil", {}),
                field("count", "integer", "instances that are wanted", 1),
                field("cpu", "number", "processors that each instance reserves; 0 when none", 0.5),
                field("memory", "integer", "bytes of memory that each instance reserves; 0 when none", 268435456),
                field("disk", "integer", "bytes of disk that each instance reserves; 0 when none", 0),
                field("gpus", "number", "GPU devices of each instance; a share of one is a fraction", 0.0),
                field("priority", "integer", "0 to 100", 50),
            },
        },
        {
            name = "project",
            doc = "What is in the project already, the workload that is asked about apart. "
                .. "What is stopped counts too; of tasks that have ended only the number of instances does.",
            fields = {
                field("name", "string", "its name", "ada"),
                field("workloads", "integer", "workloads in it", 2),
                field("instances", "integer", "instances that these want", 3),
                field("cpu", "number", "processors that all these reserve", 1.5),
                field("memory", "integer", "bytes of memory that all these reserve", 1073741824),
                field("disk", "integer", "bytes of disk that all these reserve", 0),
                field("gpus", "number", "GPU devices that all these have", 0.0),
            },
        },
        {
            name = "applicant",
            doc = "A machine that wants to join. What it says of itself its owner says.",
            fields = {
                field("name", "string", "name that it wants", "node-1"),
                field("labels", "table<string, string>", "labels that it brings; one that it does not have is nil", {}),
                field("address", "string", "network address that it asks from", "192.0.2.7"),
            },
        },
        {
            name = "token",
            doc = "The join token that it brings, which is known here and has not ended.",
            fields = {
                field("pool", "string", "pool of the nodes that join with it", "default"),
                field("node", "string", "the only name that it admits; empty: any", ""),
                field("created_by", "string", "name of the user who made it", "admin"),
                field("uses_left", "integer", "how many nodes may still join with it, this one included", 1),
                field("age_seconds", "integer", "time since it was made", 60),
            },
        },
        {
            name = "spec",
            doc = "What a user asked for, as a plugin sees it.",
            fields = {
                field("name", "string", "name of the workload", "my-db"),
                field("type", "string", "name of the plugin", "postgres"),
                field("count", "integer", "instances that are wanted", 1),
                field("cpu_milli", "integer", "thousandths of a processor that were asked for; 0 when none", 0),
                field("memory_bytes", "integer", "bytes of memory that were asked for; 0 when none", 0),
                field("params", "table<string, any>",
                    "the parameters: checked against the manifest, defaults filled in; one without either is nil", {}),
            },
        },
        {
            name = "context",
            doc = "What else a plugin may use to render a spec.",
            fields = {
                field("credentials", "table<string, string>",
                    "credentials of the last rendering of this workload, so that they stay; empty at first", {}),
            },
        },
    },

    -- The functions that a file defines, and that the console calls.
    decisions = {
        {
            name = "filter", file = "policy placement", since = 1,
            args = { { name = "node", type = "node" }, { name = "workload", type = "workload" } },
            returns = { { type = "boolean|nil", doc = "whether the node may take an instance; nil counts as false" },
                { type = "string?", doc = "why not" } },
            doc = "Says whether a node may take one more instance of the workload. Optional: without it, any node may.",
        },
        {
            name = "score", file = "policy placement", since = 1,
            args = { { name = "node", type = "node" }, { name = "workload", type = "workload" } },
            returns = { { type = "number", doc = "finite; the node with the highest is taken" } },
            doc = "Says how good a node that passed the filter would be. Optional: without it, all are equal.",
        },
        {
            name = "admit", file = "policy admission", since = 1,
            args = { { name = "request", type = "request" }, { name = "project", type = "project" } },
            returns = { { type = "boolean|nil", doc = "whether it may be; nil counts as false" },
                { type = "string?", doc = "why not; who asked reads it" } },
            doc = "Says whether a workload may be made, changed, or given more instances.",
        },
        {
            name = "approve", file = "policy approval", since = 1,
            args = { { name = "node", type = "applicant" }, { name = "token", type = "token" } },
            returns = { { type = "string", doc = '"accept", "reject", or "ask": an administrator decides' },
                { type = "string?", doc = "why; the machine's owner reads it" } },
            doc = "Says whether a machine with a good join token becomes a node.",
        },
        {
            name = "render", file = "plugin", since = 1,
            args = { { name = "spec", type = "spec" }, { name = "context", type = "context" } },
            returns = { { type = "table", doc = "container, endpoints, credentials" } },
            doc = "Turns what the user asked for into a container, its endpoints and its credentials. Depends on "
                .. "its arguments alone.",
        },
    },

    -- The library `lattice`.
    functions = {
        {
            name = "password", files = "plugins", since = 1,
            args = { { name = "length", type = "integer", min = 8, max = 64, doc = "how many characters" } },
            returns = { { type = "string", doc = "letters and digits, each drawn evenly" } },
            doc = "Makes a password from the chance that came with the request.",
        },
        {
            name = "url_escape", files = "plugins", since = 1,
            args = { { name = "text", type = "string", doc = "any text" } },
            returns = { { type = "string", doc = "the text, fit for any part of a URL" } },
            doc = "Writes every byte but letters, digits and -._~ as %XX.",
        },
        {
            name = "error", files = "plugins", since = 1,
            args = {
                {
                    name = "problem", type = "table", doc = "what is wrong",
                    fields = {
                        { name = "message", type = "string", required = true, doc = "what is wrong, a whole sentence" },
                        { name = "field", type = "string", doc = "the parameter at fault" },
                        { name = "hint", type = "string", doc = "what to do about it" },
                    },
                },
            },
            returns = {},
            doc = "Refuses the request; the user reads the message. Does not return.",
        },
    },

    -- Of Lua's own library, what a file may use. Nothing that reads a clock, makes chance, loads code or
    -- reaches outside.
    builtins = {
        [""] = {
            "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
        },
        math = {
            "abs", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min",
            "mininteger", "modf", "pi", "rad", "sin", "sqrt", "tan", "tointeger", "type", "ult",
        },
        string = {
            "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub",
            "upper",
        },
        table = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" },
        utf8 = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
    },
}
