/* Facts are asked of the engine when it comes up and now and then; the console is told what changed. A heartbeat says nothing
 * but that we are here, and how much disk is free where that moved. */
#include "agent/node/node.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

struct lat_machine {
    struct lat_machine_options with;
    char *labels;
    char *version;
    struct lat_driver *driver; /* NULL while the engine is down */
    bool heard;                /* the driver has said whether its engine is up */
    bool linked;
    bool asking; /* facts are on their way */
    struct lat_driver_facts facts;
    bool known; /* facts are those of the engine that is up */
    struct lat_err engine_err;
    int64_t told_disk_free;
    struct lat_timer look, heartbeat;
};

static void send(struct lat_machine *machine, struct lat_buf *out)
{
    machine->with.send(machine->with.arg, (const char *)out->bytes, out->len);
    lat_buf_done(out);
}

static void tell(struct lat_machine *machine)
{
    struct lat_buf out = {0};
    struct lat_node_message node = {
        .cpu_milli = machine->facts.cpu_milli,
        .memory_bytes = machine->facts.memory_bytes,
        .disk_bytes = machine->facts.disk_bytes,
        .disk_free_bytes = machine->facts.disk_free_bytes,
        .architecture = machine->facts.architecture,
        .os = machine->facts.os,
        .engine_version = machine->known ? machine->facts.engine_version : "",
        .engine_error = machine->known ? "" : machine->engine_err.sentence,
        .agent_version = machine->version,
        .labels_json = machine->labels,
    };

    if (machine->linked) {
        machine->told_disk_free = machine->facts.disk_free_bytes;
        lat_node_message_write(&node, &out);
        send(machine, &out);
    }
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
    if (news) {
        tell(machine);
    }
}

static void look(void *arg)
{
    struct lat_machine *machine = arg;

    if (machine->driver && !machine->asking) {
        machine->asking = true;
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
        free(machine);
    }
    return NULL;
}
