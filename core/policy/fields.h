/* What policies see, as data: one row a field. Of a node and a workload where an instance is placed, of a request and a
 * project where one is admitted, of a machine and its join token where one is approved. From this table come the columns, the records and the names that a program may use;
 * lua/api/api.lua describes the same fields to authors of policies, and a test holds the two together.
 *
 * F(object, name, TYPE, SCOPE)
 *   TYPE    BOOL  INT  FLOAT  TEXT  OPTION (text or nil)  MAP (text to text; a key that is absent is nil)
 *   SCOPE   ROW      depends on the node alone: what is computed of it may be kept until the node changes
 *           PAIR     depends on node and workload: filled before each decision, never kept
 *           UNIFORM  depends on no node: one value for a whole decision
 */
#ifndef LAT_POLICY_FIELDS_H
#define LAT_POLICY_FIELDS_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define LAT_POLICY_NODE_FIELDS(F)                                                                              \
    F(node, id, TEXT, ROW)                                                                              \
    F(node, name, TEXT, ROW)                                                                            \
    F(node, pool, TEXT, ROW)                                                                            \
    F(node, architecture, TEXT, ROW)                                                                    \
    F(node, os, TEXT, ROW)                                                                              \
    F(node, healthy, BOOL, ROW)             /* linked, engine up */                                     \
    F(node, on_battery, BOOL, ROW)                                                                      \
    F(node, labels, MAP, ROW)                                                                           \
    F(node, attributes, MAP, ROW)           /* what its agent found out about it */                     \
    F(node, cpu, FLOAT, ROW)                /* processors in all */                                     \
    F(node, free_cpu, FLOAT, ROW)           /* not reserved; may be negative */                         \
    F(node, memory, INT, ROW)               /* bytes, as are all sizes */                               \
    F(node, free_memory, INT, ROW)                                                                      \
    F(node, disk, INT, ROW)                                                                             \
    F(node, free_disk, INT, ROW)                                                                        \
    F(node, bandwidth, INT, ROW)            /* bits a second */                                         \
    F(node, free_bandwidth, INT, ROW)                                                                   \
    F(node, allocations, INT, ROW)          /* instances of any workload that stand on it */            \
    F(node, rank, INT, ROW)                 /* 0 to 1000 */                                             \
    F(node, gpus, INT, ROW)                 /* devices in all */                                        \
    F(node, free_gpus, INT, ROW)            /* devices of which nobody has a share */                   \
    F(node, gpu_model, OPTION, ROW)                                                                     \
    F(node, gpu_memory, INT, ROW)           /* of one device */                                         \
    F(node, free_gpu_share, FLOAT, ROW)     /* largest free share of one device, 0 to 1 */              \
    F(node, available_seconds, INT, ROW)    /* until its owner's hours end; INT64_MAX: always */        \
    F(node, workload_instances, INT, PAIR)  /* of this workload, that stand on it */                    \
    F(node, has_image, BOOL, PAIR)                                                                      \
    F(node, has_data, BOOL, PAIR)           /* a volume of this instance lives there */

#define LAT_POLICY_WORKLOAD_FIELDS(F)                                                                          \
    F(workload, id, TEXT, UNIFORM)                                                                      \
    F(workload, name, TEXT, UNIFORM)                                                                    \
    F(workload, project, TEXT, UNIFORM)                                                                 \
    F(workload, type, TEXT, UNIFORM)                                                                    \
    F(workload, kind, TEXT, UNIFORM)        /* "service" or "task" */                                   \
    F(workload, pool, OPTION, UNIFORM)                                                                  \
    F(workload, labels, MAP, UNIFORM)                                                                   \
    F(workload, count, INT, UNIFORM)        /* instances wanted */                                      \
    F(workload, cpu, FLOAT, UNIFORM)        /* reserved by each instance, as is all that follows */     \
    F(workload, memory, INT, UNIFORM)                                                                   \
    F(workload, disk, INT, UNIFORM)                                                                     \
    F(workload, bandwidth, INT, UNIFORM)                                                                \
    F(workload, gpus, INT, UNIFORM)                                                                     \
    F(workload, gpu_share, FLOAT, UNIFORM)  /* of one device; 0: none */                                \
    F(workload, gpu_model, OPTION, UNIFORM)                                                             \
    F(workload, gpu_memory, INT, UNIFORM)                                                               \
    F(workload, priority, INT, UNIFORM)     /* 0 to 100 */

#define LAT_POLICY_REQUEST_FIELDS(F)                                                                           \
    F(request, action, TEXT, UNIFORM)       /* "create", "change" or "scale" */                         \
    F(request, user, TEXT, UNIFORM)         /* who asks */                                              \
    F(request, admin, BOOL, UNIFORM)                                                                    \
    F(request, name, TEXT, UNIFORM)         /* of the workload, as it would be; so is what follows */   \
    F(request, project, TEXT, UNIFORM)                                                                  \
    F(request, type, TEXT, UNIFORM)                                                                     \
    F(request, kind, TEXT, UNIFORM)                                                                     \
    F(request, image, TEXT, UNIFORM)                                                                    \
    F(request, labels, MAP, UNIFORM)                                                                    \
    F(request, count, INT, UNIFORM)                                                                     \
    F(request, cpu, FLOAT, UNIFORM)         /* reserved by each instance, as is all that follows */     \
    F(request, memory, INT, UNIFORM)                                                                    \
    F(request, disk, INT, UNIFORM)                                                                      \
    F(request, gpus, FLOAT, UNIFORM)        /* a share of a device is a fraction */                     \
    F(request, priority, INT, UNIFORM)

/* What is in the project, the workload of the request apart. */
#define LAT_POLICY_PROJECT_FIELDS(F)                                                                           \
    F(project, name, TEXT, UNIFORM)                                                                     \
    F(project, workloads, INT, UNIFORM)                                                                 \
    F(project, instances, INT, UNIFORM)                                                                 \
    F(project, cpu, FLOAT, UNIFORM)         /* reserved in all, as is all that follows */               \
    F(project, memory, INT, UNIFORM)                                                                    \
    F(project, disk, INT, UNIFORM)                                                                      \
    F(project, gpus, FLOAT, UNIFORM)

/* A machine that wants to join: what it says of itself, and where from. */
#define LAT_POLICY_APPLICANT_FIELDS(F)                                                                         \
    F(applicant, name, TEXT, UNIFORM)                                                                   \
    F(applicant, labels, MAP, UNIFORM)                                                                  \
    F(applicant, address, TEXT, UNIFORM)    /* without a port */

/* The token that it brings. */
#define LAT_POLICY_TOKEN_FIELDS(F)                                                                             \
    F(token, pool, TEXT, UNIFORM)                                                                       \
    F(token, node, TEXT, UNIFORM)           /* the only name that it admits; empty: any */              \
    F(token, created_by, TEXT, UNIFORM)     /* name of a user */                                        \
    F(token, uses_left, INT, UNIFORM)       /* this one included */                                     \
    F(token, age_seconds, INT, UNIFORM)
/* clang-format on */

/* The policies that there are. */
enum lat_policy_kind {
    LAT_POLICY_PLACEMENT, /* where instances run: asked of every node */
    LAT_POLICY_ADMISSION, /* what may be deployed: one question at a time, as is what follows */
    LAT_POLICY_APPROVAL,  /* which machines may join */
    LAT_POLICY_KIND_COUNT
};

enum lat_policy_field_type {
    LAT_POLICY_TYPE_BOOL,
    LAT_POLICY_TYPE_INT,
    LAT_POLICY_TYPE_FLOAT,
    LAT_POLICY_TYPE_TEXT,
    LAT_POLICY_TYPE_OPTION,
    LAT_POLICY_TYPE_MAP,
};

enum lat_policy_field_scope {
    LAT_POLICY_SCOPE_ROW,
    LAT_POLICY_SCOPE_PAIR,
    LAT_POLICY_SCOPE_UNIFORM
};

/* LAT_FIELD_node_free_cpu, LAT_FIELD_workload_cpu, ...: the node's fields first, then what else a placement is about. */
enum lat_policy_field {
#define F(object, name, type, scope) LAT_FIELD_##object##_##name,
    LAT_POLICY_NODE_FIELDS(F)
#undef F
        LAT_NODE_FIELD_COUNT,
    LAT_FIELD_before_workload_ = LAT_NODE_FIELD_COUNT - 1,
#define F(object, name, type, scope) LAT_FIELD_##object##_##name,
    LAT_POLICY_WORKLOAD_FIELDS(F)
#undef F
        LAT_PLACEMENT_FIELD_COUNT,
    LAT_FIELD_before_request_ = LAT_PLACEMENT_FIELD_COUNT - 1,
#define F(object, name, type, scope) LAT_FIELD_##object##_##name,
    LAT_POLICY_REQUEST_FIELDS(F) LAT_POLICY_PROJECT_FIELDS(F) LAT_POLICY_APPLICANT_FIELDS(F)
        LAT_POLICY_TOKEN_FIELDS(F)
#undef F
            LAT_FIELD_COUNT
};

struct lat_policy_field_row {
    const char *object;        /* "node" */
    const char *name;          /* "free_cpu" */
    const char *path;          /* "node.free_cpu" */
    enum lat_policy_kind kind; /* of the policy that sees it */
    enum lat_policy_field_type type;
    enum lat_policy_field_scope scope;
};

/* Returns the row of a field. */
const struct lat_policy_field_row *lat_policy_field_row(enum lat_policy_field field);

/* Returns the field with that path ("node.free_cpu"), or LAT_FIELD_COUNT. */
enum lat_policy_field lat_policy_field_find(const char *path);

/* Returns the name of a kind of policy, as in NAME.lua: "placement". */
const char *lat_policy_kind_name(enum lat_policy_kind kind);

/* Returns the kind of that name, or LAT_POLICY_KIND_COUNT. */
enum lat_policy_kind lat_policy_kind_find(const char *name);

#endif
