/* Writes a question as the JSON that policies are asked with. Pure. */
#include "policy/policy.h"

#include "base/mem.h"

static void write_labels(struct lat_json_writer *writer, const char *labels)
{
    lat_json_add_raw(writer, "labels", labels == NULL || labels[0] == '\0' ? "{}" : labels);
}

static const char *text(const char *value)
{
    return value == NULL ? "" : value;
}

/* Processors in thousandths as processors: exact to the thousandth when it is read back. */
static double processors(int64_t milli)
{
    return (double)milli / 1000;
}

static void write_node(struct lat_json_writer *writer, const struct lat_placement_node *node)
{
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", text(node->id));
    lat_json_add_text(writer, "name", text(node->name));
    lat_json_add_bool(writer, "healthy", node->healthy);
    lat_json_add_text(writer, "pool", text(node->pool));
    lat_json_add_text(writer, "architecture", text(node->architecture));
    lat_json_add_text(writer, "os", text(node->os));
    write_labels(writer, node->labels);
    lat_json_add_real(writer, "cpu", processors(node->cpu_milli));
    lat_json_add_int(writer, "memory", node->memory_bytes);
    lat_json_add_int(writer, "disk", node->disk_bytes);
    lat_json_add_real(writer, "free_cpu", processors(node->free_cpu_milli));
    lat_json_add_int(writer, "free_memory", node->free_memory_bytes);
    lat_json_add_int(writer, "free_disk", node->free_disk_bytes);
    lat_json_add_int(writer, "allocations", node->allocations);
    lat_json_add_int(writer, "workload_instances", node->workload_instances);
    lat_json_end(writer, '}');
}

void lat_placement_write(const struct lat_placement *placement, struct lat_buf *out)
{
    const struct lat_placement_workload *workload = &placement->workload;
    struct lat_json_writer writer;

    LAT_ASSERT(placement->node_count <= LAT_PLACEMENT_NODES_MAX);
    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    lat_json_object(&writer, "workload");
    lat_json_add_text(&writer, "id", text(workload->id));
    lat_json_add_text(&writer, "name", text(workload->name));
    lat_json_add_text(&writer, "project", text(workload->project));
    lat_json_add_text(&writer, "type", text(workload->type));
    lat_json_add_int(&writer, "count", workload->count);
    write_labels(&writer, workload->labels);
    lat_json_add_real(&writer, "cpu", processors(workload->cpu_milli));
    lat_json_add_int(&writer, "memory", workload->memory_bytes);
    lat_json_end(&writer, '}');
    lat_json_array(&writer, "nodes");
    for (size_t i = 0; i < placement->node_count; i++) {
        write_node(&writer, &placement->nodes[i]);
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
}
