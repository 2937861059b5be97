/* Writes a question as the JSON that policies are asked with. Pure. */
#include "policy/policy.h"

#include "base/mem.h"

static void write_map(struct lat_json_writer *writer, const char *name, const char *map)
{
    lat_json_add_raw(writer, name, map == NULL || map[0] == '\0' ? "{}" : map);
}

static const char *text(const char *value)
{
    return value == NULL ? "" : value;
}

/* Thousandths (of processors, of a device) as a number: exact to the thousandth when it is read back. */
static double from_milli(int64_t milli)
{
    return (double)milli / 1000;
}

/* A text that may be absent; Lua sees nil. */
static void write_option(struct lat_json_writer *writer, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        lat_json_add_text(writer, name, value);
    }
}

static void write_node(struct lat_json_writer *writer, const struct lat_placement_node *node)
{
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", text(node->id));
    lat_json_add_text(writer, "name", text(node->name));
    lat_json_add_text(writer, "pool", text(node->pool));
    lat_json_add_text(writer, "architecture", text(node->architecture));
    lat_json_add_text(writer, "os", text(node->os));
    lat_json_add_bool(writer, "healthy", node->healthy);
    lat_json_add_bool(writer, "on_battery", node->on_battery);
    write_map(writer, "labels", node->labels);
    write_map(writer, "attributes", node->attributes);
    lat_json_add_real(writer, "cpu", from_milli(node->cpu_milli));
    lat_json_add_real(writer, "free_cpu", from_milli(node->free_cpu_milli));
    lat_json_add_int(writer, "memory", node->memory_bytes);
    lat_json_add_int(writer, "free_memory", node->free_memory_bytes);
    lat_json_add_int(writer, "disk", node->disk_bytes);
    lat_json_add_int(writer, "free_disk", node->free_disk_bytes);
    lat_json_add_int(writer, "bandwidth", node->bandwidth_bps);
    lat_json_add_int(writer, "free_bandwidth", node->free_bandwidth_bps);
    lat_json_add_int(writer, "allocations", node->allocations);
    lat_json_add_int(writer, "rank", node->rank);
    lat_json_add_int(writer, "gpus", node->gpus);
    lat_json_add_int(writer, "free_gpus", node->free_gpus);
    write_option(writer, "gpu_model", node->gpu_model);
    lat_json_add_int(writer, "gpu_memory", node->gpu_memory_bytes);
    lat_json_add_real(writer, "free_gpu_share", from_milli(node->free_gpu_share_milli));
    lat_json_add_int(writer, "available_seconds",
                     node->available_seconds == 0 ? INT64_MAX : node->available_seconds);
    lat_json_add_int(writer, "workload_instances", node->workload_instances);
    lat_json_add_bool(writer, "has_image", node->has_image);
    lat_json_add_bool(writer, "has_data", node->has_data);
    lat_json_end(writer, '}');
}

static void write_workload(struct lat_json_writer *writer,
                           const struct lat_placement_workload *workload)
{
    lat_json_object(writer, "workload");
    lat_json_add_text(writer, "id", text(workload->id));
    lat_json_add_text(writer, "name", text(workload->name));
    lat_json_add_text(writer, "project", text(workload->project));
    lat_json_add_text(writer, "type", text(workload->type));
    lat_json_add_text(writer, "kind", workload->kind == NULL ? "service" : workload->kind);
    write_option(writer, "pool", workload->pool);
    write_map(writer, "labels", workload->labels);
    lat_json_add_int(writer, "count", workload->count);
    lat_json_add_real(writer, "cpu", from_milli(workload->cpu_milli));
    lat_json_add_int(writer, "memory", workload->memory_bytes);
    lat_json_add_int(writer, "disk", workload->disk_bytes);
    lat_json_add_int(writer, "bandwidth", workload->bandwidth_bps);
    lat_json_add_int(writer, "gpus", workload->gpus);
    lat_json_add_real(writer, "gpu_share", from_milli(workload->gpu_share_milli));
    write_option(writer, "gpu_model", workload->gpu_model);
    lat_json_add_int(writer, "gpu_memory", workload->gpu_memory_bytes);
    lat_json_add_int(writer, "priority", workload->priority);
    lat_json_end(writer, '}');
}

void lat_placement_write(const struct lat_placement *placement, struct lat_buf *out)
{
    struct lat_json_writer writer;

    LAT_ASSERT(placement->node_count <= LAT_PLACEMENT_NODES_MAX);
    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    write_workload(&writer, &placement->workload);
    lat_json_array(&writer, "nodes");
    for (size_t i = 0; i < placement->node_count; i++) {
        write_node(&writer, &placement->nodes[i]);
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
}
