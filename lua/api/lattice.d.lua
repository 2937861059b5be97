---@meta
-- Made by lua/api/generate.lua from lua/api/api.lua: change it there.

---A node as a placement policy sees it.
---@class lattice.node
---@field id string # its id
---@field name string # its name
---@field healthy boolean # it is linked and its engine answers
---@field pool string # the pool it belongs to
---@field architecture string # amd64, arm64, ...
---@field os string # name and version of its system
---@field labels table<string, string> # its labels; one that it does not have is nil
---@field cpu number # processors in all
---@field memory integer # bytes of memory in all
---@field disk integer # bytes of the disk that holds the engine's data
---@field free_cpu number # processors that no allocation has reserved
---@field free_memory integer # bytes of memory that no allocation has reserved
---@field free_disk integer # bytes free on that disk when last told
---@field allocations integer # instances of any workload that stand on it
---@field workload_instances integer # instances of this workload that stand on it

---The workload of which one more instance is to be placed.
---@class lattice.workload
---@field id string # its id
---@field name string # its name
---@field project string # name of its project
---@field type string # the plugin that made it
---@field count integer # instances that are wanted
---@field labels table<string, string> # its labels; one that it does not have is nil
---@field cpu number # processors that an instance reserves; 0 when none
---@field memory integer # bytes of memory that an instance reserves; 0 when none

---What a user asked for, as a plugin sees it.
---@class lattice.spec
---@field name string # name of the workload
---@field type string # name of the plugin
---@field count integer # instances that are wanted
---@field cpu_milli integer # thousandths of a processor that were asked for; 0 when none
---@field memory_bytes integer # bytes of memory that were asked for; 0 when none
---@field params table<string, any> # the parameters: checked against the manifest, defaults filled in; one without either is nil

---What else a plugin may use to render a spec.
---@class lattice.context
---@field credentials table<string, string> # credentials of the last rendering of this workload, so that they stay; empty at first

---The library of plugins.
lattice = {}

---Makes a password from the chance that came with the request.
---@param length integer # how many characters
---@return string # letters and digits, each drawn evenly
function lattice.password(length) end

---Writes every byte but letters, digits and -._~ as %XX.
---@param text string # any text
---@return string # the text, fit for any part of a URL
function lattice.url_escape(text) end

---Refuses the request; the user reads the message. Does not return.
---@param problem { message: string, field?: string, hint?: string } # what is wrong
function lattice.error(problem) end

---Says whether a node may take one more instance of the workload. Optional: without it, any node may. (policy placement)
---@param node lattice.node
---@param workload lattice.workload
---@return boolean|nil # whether the node may take an instance
---@return string? # why not
function filter(node, workload) end

---Says how good a node that passed the filter would be. Optional: without it, all are equal. (policy placement)
---@param node lattice.node
---@param workload lattice.workload
---@return number # finite; the node with the highest is taken
function score(node, workload) end

---Turns what the user asked for into a container, its endpoints and its credentials. Depends on its arguments alone. (plugin)
---@param spec lattice.spec
---@param context lattice.context
---@return table # container, endpoints, credentials
function render(spec, context) end
