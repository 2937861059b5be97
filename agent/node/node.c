/* Facts are asked of the engine when it comes up and now and then; the console is told what changed. A heartbeat says nothing
 * but that we are here, and how much disk is free where that moved. */
#include "agent/node/node.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct lat_machine {
    struct lat_machine_options with;
    char *labels;
    char *version;
    struct lat_driver *driver; /* NULL while the engine is down */
    bool heard;                /* the driver has said whether its engine is up */
    bool linked;
    bool asking;                   /* facts are on their way */
    struct lat_driver_facts facts; /* its texts are those below */
    char *attributes, *images, *volumes;
    struct lat_hardware hardware;
    char *hardware_texts[3]; /* of the options; owned */
    uint64_t told;           /* digest of what the console was told last, without the free disk */
    bool known;              /* facts are those of the engine that is up */
    struct lat_err engine_err;
    int64_t told_disk_free;
    struct lat_timer look, heartbeat;
};

static void send(struct lat_machine *machine, struct lat_buf *out)
{
    machine->with.send(machine->with.arg, (const char *)out->bytes, out->len);
    lat_buf_done(out);
}

/* The devices that may be given away: NVIDIA's where the engine has the runtime for it. Owned JSON. */
static char *describe_gpus(const struct lat_machine *machine)
{
    bool has_runtime = strstr(machine->attributes, "\"runtime.nvidia\"") != NULL;
    struct lat_json_writer writer;
    struct lat_buf out = {0};

    lat_json_writer_init(&writer, &out);
    lat_json_array(&writer, NULL);
    for (size_t i = 0; i < machine->hardware.gpu_count; i++) {
        const struct lat_device *device = &machine->hardware.gpus[i];

        if (device->path_count > 0 || has_runtime) {
            lat_json_object(&writer, NULL);
            lat_json_add_text(&writer, "id", device->id);
            lat_json_add_text(&writer, "vendor", device->vendor);
            lat_json_add_text(&writer, "model", device->model);
            lat_json_add_int(&writer, "memory_bytes", device->memory_bytes);
            lat_json_end(&writer, '}');
        }
    }
    lat_json_end(&writer, ']');
    return lat_buf_take_text(&out);
}

static void describe(const struct lat_machine *machine, int64_t disk_free_bytes,
                     struct lat_buf *out)
{
    char *gpus = describe_gpus(machine);
    struct lat_node_message node = {
        .cpu_milli = machine->facts.cpu_milli,
        .memory_bytes = machine->facts.memory_bytes,
        .disk_bytes = machine->facts.disk_bytes,
        .disk_free_bytes = disk_free_bytes,
        .architecture = machine->facts.architecture,
        .os = machine->facts.os,
        .engine_version = machine->known ? machine->facts.engine_version : "",
        .engine_error = machine->known ? "" : machine->engine_err.sentence,
        .agent_version = machine->version,
        .labels_json = machine->labels,
        .bandwidth_bps = machine->hardware.bandwidth_bps,
        .on_battery = machine->hardware.on_battery,
        .gpus_json = gpus,
        .attributes_json = machine->attributes,
        .images_json = machine->images,
        .volumes_json = machine->volumes,
    };

    lat_node_message_write(&node, out);
    free(gpus);
}

/* Tells whether something has changed that the console does not hear with a heartbeat. */
static bool has_news(struct lat_machine *machine)
{
    struct lat_buf out = {0};
    uint64_t digest = UINT64_C(14695981039346656037);

    describe(machine, 0, &out);
    for (size_t i = 0; i < out.len; i++) {
        digest = (digest ^ out.bytes[i]) * UINT64_C(1099511628211);
    }
    lat_buf_done(&out);
    if (digest == machine->told) {
        return false;
    }
    machine->told = digest;
    return true;
}

static void tell(struct lat_machine *machine)
{
    struct lat_buf out = {0};

    if (machine->linked) {
        (void)has_news(machine); /* it is told now, whether it is new or not */
        machine->told_disk_free = machine->facts.disk_free_bytes;
        describe(machine, machine->facts.disk_free_bytes, &out);
        send(machine, &out);
    }
}

static void keep(char **slot, const char *text)
{
    lat_text_replace(slot, text ? text : "");
}

static void facts_came(void *arg, const struct lat_driver_facts *facts, const struct lat_err *err)
{
    struct lat_machine *machine = arg;
    bool news = !machine->known;

    machine->asking = false;
    if (err) {
        lat_log(machine->with.log, LAT_LOG_WARN, "the engine could not describe this machine",
                LAT_ERR(err));
        if (!machine->known) {
            lat_timer_start(&machine->look, LAT_MACHINE_RETRY_MS, LAT_MACHINE_FACTS_MS);
        }
        return;
    }
    machine->known = machine->driver != NULL;
    machine->facts = *facts;
    keep(&machine->attributes, facts->attributes);
    keep(&machine->images, facts->images);
    keep(&machine->volumes, facts->volumes);
    if (news || (machine->linked && has_news(machine))) {
        tell(machine);
    }
}

static void look_at_hardware(struct lat_machine *machine)
{
    if (machine->with.hardware.root) {
        lat_hardware_done(&machine->hardware);
        lat_hardware_look(&machine->with.hardware, &machine->hardware);
    }
}

static void look(void *arg)
{
    struct lat_machine *machine = arg;

    if (machine->driver && !machine->asking) {
        machine->asking = true;
        look_at_hardware(machine);
        machine->driver->class->facts(machine->driver, facts_came, machine);
    }
}

static void beat(void *arg)
{
    struct lat_machine *machine = arg;
    struct lat_heartbeat_message heartbeat = {.disk_free_bytes = -1};
    int64_t moved = machine->facts.disk_free_bytes - machine->told_disk_free;
    struct lat_buf out = {0};

    if (moved >= LAT_MACHINE_DISK_STEP || -moved >= LAT_MACHINE_DISK_STEP) {
        heartbeat.disk_free_bytes = machine->told_disk_free = machine->facts.disk_free_bytes;
    }
    lat_heartbeat_message_write(&heartbeat, &out);
    send(machine, &out);
}

void lat_machine_engine(struct lat_machine *machine, struct lat_driver *driver, bool up,
                        const struct lat_err *err)
{
    machine->heard = true;
    machine->driver = up ? driver : NULL;
    machine->known = false;
    machine->asking =
        false; /* what was asked of an engine that went down answers with an error, or not at all */
    if (up) {
        look(machine);
    } else {
        machine->engine_err = *err;
        tell(machine);
    }
}

void lat_machine_link_up(struct lat_machine *machine, int64_t heartbeat_ms)
{
    machine->linked = true;
    if (machine->known || (machine->heard && !machine->driver)) {
        tell(machine);
    } /* else nobody knows of the engine yet, or the facts are on their way: then they are told */
    lat_timer_start(&machine->heartbeat, heartbeat_ms, heartbeat_ms);
}

void lat_machine_link_down(struct lat_machine *machine)
{
    machine->linked = false;
    lat_timer_stop(&machine->heartbeat);
}

const struct lat_device *lat_machine_device(const struct lat_machine *machine, const char *id)
{
    return lat_hardware_device(&machine->hardware, id);
}

int64_t lat_machine_disk_used(const struct lat_machine *machine)
{
    return machine->known && machine->facts.disk_bytes > 0
               ? machine->facts.disk_bytes - machine->facts.disk_free_bytes
               : -1;
}

struct lat_machine *lat_machine_new(const struct lat_machine_options *options)
{
    struct lat_machine *machine = LAT_NEW(struct lat_machine);

    machine->with = *options;
    machine->labels = lat_text_copy(options->labels_json);
    machine->version = lat_text_copy(options->agent_version);
    machine->attributes = lat_text_copy("");
    machine->images = lat_text_copy("");
    machine->volumes = lat_text_copy("");
    machine->hardware_texts[0] = lat_text_copy(options->hardware.root);
    machine->hardware_texts[1] = lat_text_copy(options->hardware.gpus);
    machine->hardware_texts[2] = lat_text_copy(options->hardware.bandwidth);
    machine->with.hardware = (struct lat_hardware_options){.root = machine->hardware_texts[0],
                                                           .gpus = machine->hardware_texts[1],
                                                           .bandwidth = machine->hardware_texts[2]};
    look_at_hardware(machine);
    lat_err_set(&machine->engine_err, LAT_E_ENGINE_DOWN, NULL);
    lat_timer_init(&machine->look, options->loop, look, machine);
    lat_timer_init(&machine->heartbeat, options->loop, beat, machine);
    lat_timer_start(&machine->look, LAT_MACHINE_FACTS_MS, LAT_MACHINE_FACTS_MS);
    return machine;
}

struct lat_machine *lat_machine_free(struct lat_machine *machine)
{
    if (machine) {
        lat_timer_done(&machine->look);
        lat_timer_done(&machine->heartbeat);
        free(machine->labels);
        free(machine->version);
        free(machine->attributes);
        free(machine->images);
        free(machine->volumes);
        for (size_t i = 0; i < LAT_COUNT(machine->hardware_texts); i++) {
            free(machine->hardware_texts[i]);
        }
        lat_hardware_done(&machine->hardware);
        free(machine);
    }
    return NULL;
}
