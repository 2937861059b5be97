return function() io.stderr:write("lattice: the commands come next.\n") return 1 end
