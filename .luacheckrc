std = "lua54"
max_line_length = 110
cache = false

-- A policy defines its decisions as globals and sees the library of the Lua host.
files["policies"] = { allow_defined_top = true, read_globals = { "lattice" } }
files["plugins"] = { allow_defined_top = true, read_globals = { "lattice" } }
files["lua"] = { read_globals = { "lattice" } }

-- Last, so that it holds for the tests inside these folders as well.
files["**/*_spec.lua"] = { std = "+busted", read_globals = { "lattice" } }
