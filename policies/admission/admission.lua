-- What may be deployed, and by whom. Change it and save: the next deploy follows the new text.
--
-- admit is asked when a workload is made, changed, or given more instances. What a request and a project have is
-- listed in docs/lua/api.md. As it is shipped it admits what is not beyond all reason: set the quotas to yours.

-- What one project may have in all; nil: as much as there is.
local INSTANCES_MAX = 1000000
local CPU_MAX = nil -- processors, such as 16
local MEMORY_MAX = nil -- bytes, such as 64 * 2^30

-- Images that nobody but an administrator may run: patterns of Lua, such as "^docker%.io/library/mysql:5%.".
local DENIED_IMAGES = {}

local function beyond(limit, there, wanted)
    return limit ~= nil and there + wanted > limit
end

function admit(request, project)
    if request.admin then return true end
    for _, pattern in ipairs(DENIED_IMAGES) do
        if request.image:find(pattern) then return false, ("the image %s is not allowed here"):format(request.image) end
    end
    if beyond(INSTANCES_MAX, project.instances, request.count) then
        return false, ("%s may have %d instances and has %d"):format(project.name, INSTANCES_MAX, project.instances)
    end
    if beyond(CPU_MAX, project.cpu, request.count * request.cpu) then
        return false, ("%s may reserve %g processors and has %g"):format(project.name, CPU_MAX, project.cpu)
    end
    if beyond(MEMORY_MAX, project.memory, request.count * request.memory) then
        return false, ("%s may reserve %d MiB of memory and has %d"):format(project.name, MEMORY_MAX // 2^20,
            project.memory // 2^20)
    end
    return true
end

-- Tests run whenever the file is loaded; one that fails keeps it from taking effect.

function test_what_is_usual_is_admitted()
    assert(admit(request {}, project {}))
end

function test_a_project_has_only_so_many_instances()
    local ok, reason = admit(request { count = 2 }, project { instances = INSTANCES_MAX - 1 })
    assert(not ok and reason:find "instances")
    assert(admit(request { count = 1 }, project { instances = INSTANCES_MAX - 1 }))
end

function test_an_administrator_may_do_anything()
    assert(admit(request { admin = true, count = 1000 }, project { instances = INSTANCES_MAX }))
end
