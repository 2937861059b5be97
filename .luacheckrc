std = "lua54"
max_line_length = 120
cache = false
-- Declarations for editors, generated; sections that are no files of their own, and mean to be wrong.
exclude_files = { "lua/api/lattice.d.lua", "tests/lua/hostile" }

-- A policy and a plugin define their decisions as globals; plugins see the library of the Lua host.
files["policies"] = {
    globals = { "filter", "score", "admit", "approve" },
    read_globals = { "node", "workload", "request", "project", "token" },
    ignore = { "1[13]1/^test_" },
}
files["examples/policies"] = { globals = { "filter", "score" } }
files["examples/plugins"] = { globals = { "render" }, read_globals = { "lattice" } }
-- With tests in the file itself: they make their nodes and workloads by these functions.
files["tests/policies"] = {
    globals = { "filter", "score" },
    read_globals = { "node", "workload" },
    ignore = { "1[13]1/^test_" },
}
files["plugins"] = { globals = { "render" }, read_globals = { "lattice" } }
files["lua"] = { read_globals = { "lattice" } }

-- Last, so that it holds for the tests inside these folders as well.
files["**/*_spec.lua"] = { std = "+busted", read_globals = { "lattice" } }
