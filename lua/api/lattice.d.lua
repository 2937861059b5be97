---@meta
-- Made by lua/api/generate.lua from lua/api/api.lua: change it there.

---A node as a placement policy sees it.
---@class lattice.node
---@field id string # its id
---@field name string # its name
---@field pool string # the pool it belongs to
---@field architecture string # amd64, arm64, ...
---@field os string # name and version of its system
---@field healthy boolean # it is linked and its engine answers
---@field on_battery boolean # it runs on its battery now
---@field labels table<string, string> # its labels; one that it does not have is nil
---@field attributes table<string, string> # what its agent found out of it; one that it does not have is nil
---@field cpu number # processors in all
---@field free_cpu number # processors that no allocation has reserved
---@field memory integer # bytes of memory in all
---@field free_memory integer # bytes of memory that no allocation has reserved
---@field disk integer # bytes of the disk that holds the engine's data
---@field free_disk integer # bytes free on that disk
---@field bandwidth integer # bits a second of its line to the network; 0 when not known
---@field free_bandwidth integer # bits a second of it that no allocation has reserved
---@field allocations integer # instances of any workload that stand on it
---@field rank integer # its standing, 0 to 1000
---@field gpus integer # devices in all
---@field free_gpus integer # devices of which nobody has a share
---@field gpu_model string|nil # model of its devices; nil when it has none
---@field gpu_memory integer # bytes of memory of one device; 0 when it has none
---@field free_gpu_share number # largest share of one device that is free, 0 to 1
---@field available_seconds integer # seconds until its owner's hours end; math.maxinteger when they do not
---@field workload_instances integer # instances of this workload that stand on it
---@field has_image boolean # it has the workload's image already
---@field has_data boolean # a volume of this instance lives on it

---The workload of which one more instance is to be placed.
---@class lattice.workload
---@field id string # its id
---@field name string # its name
---@field project string # name of its project
---@field type string # the plugin that made it
---@field kind string # service, or task, which comes to an end
---@field pool string|nil # the pool it asks for; nil when it does not
---@field labels table<string, string> # its labels; one that it does not have is nil
---@field count integer # instances that are wanted
---@field cpu number # processors that an instance reserves; 0 when none
---@field memory integer # bytes of memory that an instance reserves; 0 when none
---@field disk integer # bytes of disk that an instance reserves; 0 when none
---@field bandwidth integer # bits a second that an instance reserves; 0 when none
---@field gpus integer # whole devices that an instance gets
---@field gpu_share number # share of one device that an instance gets instead; 0 when none
---@field gpu_model string|nil # model that its devices have to be; nil for any
---@field gpu_memory integer # bytes of memory that each device needs at least
---@field priority integer # 0 to 100

---What somebody wants: a workload to be made, changed, or given more instances.
---@class lattice.request
---@field action string # create, change or scale
---@field user string # name of who asks
---@field admin boolean # they are an administrator
---@field name string # name of the workload
---@field project string # name of its project
---@field type string # the plugin that makes it
---@field kind string # service, or task: runs to its end
---@field image string # image that its containers run
---@field labels table<string, string> # its labels; one that it does not have is nil
---@field count integer # instances that are wanted
---@field cpu number # processors that each instance reserves; 0 when none
---@field memory integer # bytes of memory that each instance reserves; 0 when none
---@field disk integer # bytes of disk that each instance reserves; 0 when none
---@field gpus number # GPU devices of each instance; a share of one is a fraction
---@field priority integer # 0 to 100

---What is in the project already, the workload that is asked about apart. What is stopped counts too; of tasks that have ended only the number of instances does.
---@class lattice.project
---@field name string # its name
---@field workloads integer # workloads in it
---@field instances integer # instances that these want
---@field cpu number # processors that all these reserve
---@field memory integer # bytes of memory that all these reserve
---@field disk integer # bytes of disk that all these reserve
---@field gpus number # GPU devices that all these have

---A machine that wants to join. What it says of itself its owner says.
---@class lattice.applicant
---@field name string # name that it wants
---@field labels table<string, string> # labels that it brings; one that it does not have is nil
---@field address string # network address that it asks from

---The join token that it brings, which is known here and has not ended.
---@class lattice.token
---@field pool string # pool of the nodes that join with it
---@field node string # the only name that it admits; empty: any
---@field created_by string # name of the user who made it
---@field uses_left integer # how many nodes may still join with it, this one included
---@field age_seconds integer # time since it was made

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
---@return boolean|nil # whether the node may take an instance; nil counts as false
---@return string? # why not
function filter(node, workload) end

---Says how good a node that passed the filter would be. Optional: without it, all are equal. (policy placement)
---@param node lattice.node
---@param workload lattice.workload
---@return number # finite; the node with the highest is taken
function score(node, workload) end

---Says whether a workload may be made, changed, or given more instances. (policy admission)
---@param request lattice.request
---@param project lattice.project
---@return boolean|nil # whether it may be; nil counts as false
---@return string? # why not; who asked reads it
function admit(request, project) end

---Says whether a machine with a good join token becomes a node. (policy approval)
---@param node lattice.applicant
---@param token lattice.token
---@return string # "accept", "reject", or "ask": an administrator decides
---@return string? # why; the machine's owner reads it
function approve(node, token) end

---Turns what the user asked for into a container, its endpoints and its credentials. Depends on its arguments alone. (plugin)
---@param spec lattice.spec
---@param context lattice.context
---@return table # container, endpoints, credentials
function render(spec, context) end

---What a test may say of a node; the rest is as the manual has it.
---@class lattice.node.given
---@field id? string
---@field name? string
---@field pool? string
---@field architecture? string
---@field os? string
---@field healthy? boolean
---@field on_battery? boolean
---@field labels? table<string, string>
---@field attributes? table<string, string>
---@field cpu? number
---@field free_cpu? number
---@field memory? integer
---@field free_memory? integer
---@field disk? integer
---@field free_disk? integer
---@field bandwidth? integer
---@field free_bandwidth? integer
---@field allocations? integer
---@field rank? integer
---@field gpus? integer
---@field free_gpus? integer
---@field gpu_model? string
---@field gpu_memory? integer
---@field free_gpu_share? number
---@field available_seconds? integer
---@field workload_instances? integer
---@field has_image? boolean
---@field has_data? boolean

---What a test may say of an applicant; the rest is as the manual has it.
---@class lattice.applicant.given
---@field name? string
---@field labels? table<string, string>
---@field address? string

---In tests (policy placement): makes a node of which this is so.
---In tests (policy approval): makes an applicant of which this is so.
---@overload fun(given: lattice.applicant.given): lattice.applicant
---@param given lattice.node.given
---@return lattice.node
function node(given) end

---What a test may say of a workload; the rest is as the manual has it.
---@class lattice.workload.given
---@field id? string
---@field name? string
---@field project? string
---@field type? string
---@field kind? string
---@field pool? string
---@field labels? table<string, string>
---@field count? integer
---@field cpu? number
---@field memory? integer
---@field disk? integer
---@field bandwidth? integer
---@field gpus? integer
---@field gpu_share? number
---@field gpu_model? string
---@field gpu_memory? integer
---@field priority? integer

---In tests (policy placement): makes a workload of which this is so.
---@param given lattice.workload.given
---@return lattice.workload
function workload(given) end

---What a test may say of a request; the rest is as the manual has it.
---@class lattice.request.given
---@field action? string
---@field user? string
---@field admin? boolean
---@field name? string
---@field project? string
---@field type? string
---@field kind? string
---@field image? string
---@field labels? table<string, string>
---@field count? integer
---@field cpu? number
---@field memory? integer
---@field disk? integer
---@field gpus? number
---@field priority? integer

---In tests (policy admission): makes a request of which this is so.
---@param given lattice.request.given
---@return lattice.request
function request(given) end

---What a test may say of a project; the rest is as the manual has it.
---@class lattice.project.given
---@field name? string
---@field workloads? integer
---@field instances? integer
---@field cpu? number
---@field memory? integer
---@field disk? integer
---@field gpus? number

---In tests (policy admission): makes a project of which this is so.
---@param given lattice.project.given
---@return lattice.project
function project(given) end

---What a test may say of a token; the rest is as the manual has it.
---@class lattice.token.given
---@field pool? string
---@field node? string
---@field created_by? string
---@field uses_left? integer
---@field age_seconds? integer

---In tests (policy approval): makes a token of which this is so.
---@param given lattice.token.given
---@return lattice.token
function token(given) end
