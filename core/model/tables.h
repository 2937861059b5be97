/* The tables: each described once, here. From these rows come the C structs, the SQL of the journal, the
 * JSON of rows and the page docs/database.md. To add a column, add a line; to add a table, add its FIELDS
 * and a line in LAT_TABLES (checklist in CONTRIBUTING.md, with its migration).
 *
 * F(kind, name, doc), with kinds:
 *   TEXT   char *, owned, never NULL in a committed row   SQL TEXT     JSON string
 *   INT    int64_t                                         SQL INTEGER  JSON number
 *   REAL   double                                          SQL REAL     JSON number
 *   BOOL   bool                                            SQL INTEGER  JSON true/false
 *   TIME   int64_t, wall ms, 0 is never                    SQL INTEGER  JSON RFC 3339 or null
 *   JSON   char *, owned JSON text, "" is null             SQL TEXT     JSON as it is
 *   SECRET char *, owned, sealed (core/auth) or a digest   SQL TEXT     never in JSON
 *   PACKED char *, owned, for programs alone               SQL TEXT     never in JSON: whoever shows it unpacks it
 * Every table has `id` TEXT as its key in front, and `version` behind, which the store counts up. */
#ifndef LAT_MODEL_TABLES_H
#define LAT_MODEL_TABLES_H

#include "model/audit.h"
#include "model/row.h"

#define LAT_PROJECT_FIELDS(F)                                                                      \
    F(TEXT, name, "name, unique")                                                                  \
    F(TEXT, owner_id, "the user whose project it is")                                              \
    F(TIME, created_at, "when it was made")

#define LAT_USER_FIELDS(F)                                                                         \
    F(TEXT, name, "login name, unique")                                                            \
    F(SECRET, password_hash, "bcrypt, cost 12")                                                    \
    F(TEXT, role, "see LAT_ROLES")                                                                 \
    F(TEXT, project_id, "default project")                                                         \
    F(TIME, created_at, "when it was made")

#define LAT_API_TOKEN_FIELDS(F)                                                                    \
    F(TEXT, user_id, "whose it is")                                                                \
    F(TEXT, name, "what the user calls it")                                                        \
    F(SECRET, digest, "SHA-256 of the token, hex")                                                 \
    F(TIME, created_at, "when it was made")                                                        \
    F(TIME, expires_at, "when it ends; null: never")

#define LAT_JOIN_TOKEN_FIELDS(F)                                                                   \
    F(SECRET, digest, "SHA-256 of the secret part, hex")                                           \
    F(TEXT, node_name, "the only node name it admits; empty: any")                                 \
    F(TEXT, pool, "pool of the nodes that join with it")                                           \
    F(INT, uses_left, "how many nodes may still join with it")                                     \
    F(TEXT, created_by, "user id")                                                                 \
    F(TIME, created_at, "when it was made")                                                        \
    F(TIME, expires_at, "when it ends")

#define LAT_NODE_FIELDS(F)                                                                         \
    F(TEXT, name, "name, unique")                                                                  \
    F(TEXT, status, "see LAT_NODE_STATES")                                                         \
    F(TEXT, reason, "why it is in that state")                                                     \
    F(SECRET, key_digest, "SHA-256 of its public key, hex: its identity")                          \
    F(TEXT, pool, "pool it belongs to")                                                            \
    F(JSON, labels, "object of text: what operators and agents say of it")                         \
    F(TEXT, architecture, "amd64, arm64, ...")                                                     \
    F(TEXT, os, "name and version of its system")                                                  \
    F(TEXT, engine_version, "version of its Docker Engine; empty while that is down")              \
    F(TEXT, agent_version, "version of its agent")                                                 \
    F(INT, cpu_milli, "processors, in thousandths")                                                \
    F(INT, memory_bytes, "memory")                                                                 \
    F(INT, disk_bytes, "size of the disk that holds the engine's data")                            \
    F(INT, disk_free_bytes, "free on that disk when last told")                                    \
    F(INT, bandwidth_bps, "of its line to the network, in bits a second; 0: not known")            \
    F(JSON, gpus, "array of the devices it offers: {id, vendor, model, memory_bytes}; null: none") \
    F(JSON, attributes, "object of text: what its agent found out of it")                          \
    F(JSON, images, "array of text: names of images that its engine has, bounded")                 \
    F(JSON, volumes, "array of text, WORKLOAD/ORDINAL: instances whose data it keeps, bounded")    \
    F(BOOL, on_battery, "runs on its battery now")                                                 \
    F(INT, rank, "its standing, 0 to 1000")                                                        \
    F(TIME, available_until, "when its owner's hours end; null: never")                            \
    F(TEXT, hours, "weekly hours in which its owner lends it; empty: always")                      \
    F(INT, number, "small number of its own, for receipts; 0: none")                               \
    F(TIME, joined_at, "when it joined")                                                           \
    F(TIME, seen_at, "when its link last came up or went down")

#define LAT_WORKLOAD_FIELDS(F)                                                                     \
    F(TEXT, project_id, "project it belongs to")                                                   \
    F(TEXT, name, "name, unique in the project")                                                   \
    F(TEXT, type, "which plugin made it: postgres, redis, minio, custom, ...")                     \
    F(JSON, labels, "object of text: what users say of it; null: none")                            \
    F(SECRET, spec, "sealed: what the user asked for, as it was asked")                            \
    F(SECRET, rendered, "sealed: container and credentials that the plugin made of the spec")      \
    F(TEXT, kind, "see LAT_WORKLOAD_KINDS")                                                        \
    F(TEXT, image, "image of its container, as engines list it; empty: one by digest")             \
    F(INT, count, "how many instances are wanted")                                                 \
    F(INT, retries, "of a task: how often an instance that failed is started again")               \
    F(INT, priority, "0 to 100; 50 when nothing was said")                                         \
    F(INT, cpu_milli, "processors that each instance reserves, in thousandths")                    \
    F(INT, memory_bytes, "memory that each instance reserves")                                     \
    F(INT, disk_bytes, "disk that each instance reserves")                                         \
    F(INT, bandwidth_bps, "bits a second that each instance reserves")                             \
    F(INT, gpu_count, "whole devices that each instance gets")                                     \
    F(INT, gpu_share_milli, "share of one device that each gets instead, in thousandths")          \
    F(TEXT, gpu_model, "model that the devices have to be; empty: any")                            \
    F(INT, gpu_memory_bytes, "memory that each device needs at least")                             \
    F(JSON, host_ports, "array of numbers: ports of its node that each instance takes")            \
    F(JSON, placement, "object: where it may and would like to be (core/model/constraints.h)")     \
    F(TEXT, desired, "see LAT_DESIRED")                                                            \
    F(BOOL, keep_data, "leave the volumes when it is removed")                                     \
    F(INT, generation, "counts changes of the spec; allocations follow it")                        \
    F(INT, restarts, "counts the restarts asked for; allocations follow it")                       \
    F(TEXT, status, "see LAT_WORKLOAD_STATES; derived from its allocations")                       \
    F(TEXT, reason, "why it is in that state")                                                     \
    F(TEXT, request_id, "request that last changed it")                                            \
    F(TIME, created_at, "when it was accepted")                                                    \
    F(TIME, updated_at, "when it was last changed")

#define LAT_ALLOCATION_FIELDS(F)                                                                   \
    F(TEXT, workload_id, "workload of which it is an instance")                                    \
    F(TEXT, node_id, "node it is placed on")                                                       \
    F(INT, ordinal, "which instance, from 0")                                                      \
    F(INT, generation, "fencing number: counts its assignments; a node refuses older ones")        \
    F(INT, spec_generation, "generation of the workload's spec that it runs")                      \
    F(INT, restarts, "restarts asked for that it has been told of")                                \
    F(INT, cpu_milli, "processors reserved on the node, in thousandths")                           \
    F(INT, memory_bytes, "memory reserved on the node")                                            \
    F(INT, disk_bytes, "disk reserved on the node")                                                \
    F(INT, bandwidth_bps, "bits a second reserved on the node")                                    \
    F(JSON, gpus, "array of devices reserved: {id, share_milli}, 1000 being the whole")            \
    F(JSON, host_ports, "array of numbers: ports of the node reserved")                            \
    F(TEXT, desired, "see LAT_DESIRED; written by the console alone")                              \
    F(BOOL, keep_data, "leave its volumes when it is removed")                                     \
    F(TEXT, status, "see LAT_ALLOCATION_STATES; told by the agent alone")                          \
    F(INT, observed_generation, "generation of which status, reason and observed speak")           \
    F(TEXT, reason, "why it is in that state")                                                     \
    F(BOOL, finished, "a task that came to its end: reserves nothing, starts no more")             \
    F(JSON, observed, "object: container, ports, volumes, exit status, starts")                    \
    F(TEXT, request_id, "request that last changed it")                                            \
    F(TIME, created_at, "when it was placed")                                                      \
    F(TIME, updated_at, "when its desired or observed state last changed")

#define LAT_EVALUATION_FIELDS(F)                                                                   \
    F(TEXT, workload_id, "workload it decided about")                                              \
    F(TEXT, trigger, "see LAT_TRIGGERS")                                                           \
    F(TEXT, status, "done, or blocked: waits for a node or for room")                              \
    F(TEXT, reason, "one sentence: what was decided")                                              \
    F(PACKED, receipt, "what it found of every node (core/sched/receipt.h)")                       \
    F(TEXT, policy, "policy and version that decided")                                             \
    F(TEXT, request_id, "request that caused it")                                                  \
    F(TIME, created_at, "when it was decided")

#define LAT_ENDPOINT_FIELDS(F)                                                                     \
    F(TEXT, workload_id, "workload it leads to")                                                   \
    F(TEXT, name, "name, unique in the workload")                                                  \
    F(TEXT, protocol, "see LAT_PROTOCOLS")                                                         \
    F(TEXT, port_name, "the container's port it leads to")                                         \
    F(BOOL, public, "reachable from outside")                                                      \
    F(BOOL, plain, "not encrypted towards the client")                                             \
    F(INT, port,                                                                                   \
      "public port of the console, unique; 0 until ingress found one, or when not public")         \
    F(TIME, created_at, "when it was made")

#define LAT_POLICY_FIELDS(F)                                                                       \
    F(TEXT, name, "placement, ...: unique")                                                        \
    F(INT, revision, "the version that is in force; 0: none yet")                                  \
    F(INT, previous, "the version that was in force before it; 0: none")                           \
    F(INT, newest, "the last revision that was given; the next version counts on from it")         \
    F(TEXT, refused, "why the newest saved file is not in force; empty when it is")                \
    F(TEXT, file_digest,                                                                           \
      "SHA-256, hex, of what its file said when that version took effect; empty: it said nothing") \
    F(TIME, changed_at, "when that version took effect")

#define LAT_POLICY_VERSION_FIELDS(F)                                                               \
    F(TEXT, policy, "name of the policy")                                                          \
    F(INT, revision, "counts the policy's accepted sources, unique for it")                        \
    F(TEXT, source, "text of the file")                                                            \
    F(TEXT, author, "who applied it: USER, USER/TOKEN, file, or console for what is shipped")      \
    F(TEXT, origin, "shipped, api, or the file it came from")                                      \
    F(TIME, accepted_at, "when it took effect first")

#define LAT_IDEMPOTENCY_FIELDS(F)                                                                  \
    F(TEXT, user_id, "who used the key")                                                           \
    F(TEXT, request_digest, "SHA-256 of method, path and body")                                    \
    F(INT, status, "HTTP status that was answered")                                                \
    F(SECRET, answer, "sealed body that was answered")                                             \
    F(TIME, created_at, "when")                                                                    \
    F(TIME, expires_at, "until when it is kept")

#define LAT_VAULT_FIELDS(F)                                                                        \
    F(TEXT, name, "what it is: authority-key, ...")                                                \
    F(SECRET, sealed, "sealed under the master key")

/* X(NAME, name, doc): the SQL table is `name`, the struct is lat_`name`. */
#define LAT_TABLES(X)                                                                              \
    X(PROJECT, project, "what every object belongs to")                                            \
    X(USER, user, "people")                                                                        \
    X(API_TOKEN, api_token, "long-lived tokens of users")                                          \
    X(JOIN_TOKEN, join_token, "admission of nodes")                                                \
    X(NODE, node, "machines that joined")                                                          \
    X(WORKLOAD, workload, "what users asked for")                                                  \
    X(ALLOCATION, allocation, "instances of workloads on nodes")                                   \
    X(EVALUATION, evaluation, "scheduling decisions with their receipts")                          \
    X(ENDPOINT, endpoint, "ports of workloads with their addresses")                               \
    X(POLICY, policy, "policies, and which of their versions are in force")                        \
    X(POLICY_VERSION, policy_version, "sources of policies that were accepted")                    \
    X(IDEMPOTENCY, idempotency, "answers to requests that carried an Idempotency-Key")             \
    X(VAULT, vault, "sealed secrets of the console itself")

enum lat_table_id {
#define X(NAME, name, doc) LAT_TABLE_##NAME,
    LAT_TABLES(X)
#undef X
        LAT_TABLE_COUNT
};

#define LAT_MEMBER_TEXT(name) char *const name;
#define LAT_MEMBER_INT(name) int64_t name;
#define LAT_MEMBER_REAL(name) double name;
#define LAT_MEMBER_BOOL(name) bool name;
#define LAT_MEMBER_TIME(name) int64_t name;
#define LAT_MEMBER_JSON(name) char *const name;
#define LAT_MEMBER_SECRET(name) char *const name;
#define LAT_MEMBER_PACKED(name) char *const name;
#define LAT_MEMBER(kind, name, doc) LAT_MEMBER_##kind(name)

/* struct lat_node { struct lat_row row; char *name; ... }, and so on for each table. */
#define X(NAME, name, doc)                                                                         \
    struct lat_##name {                                                                            \
        struct lat_row row;                                                                        \
        LAT_##NAME##_FIELDS(LAT_MEMBER)                                                            \
    };
LAT_TABLES(X)
#undef X

/* struct lat_node *lat_node_new(void), and so on: a fresh row with one reference, texts "" and numbers 0, id empty.
 * struct lat_node *lat_node_edit(const struct lat_node *): a copy to change and put back; same id and version. */
#define X(NAME, name, doc)                                                                         \
    static inline struct lat_##name *lat_##name##_new(void)                                        \
    {                                                                                              \
        return (struct lat_##name *)lat_row_new(LAT_TABLE_##NAME);                                 \
    }                                                                                              \
    static inline struct lat_##name *lat_##name##_edit(const struct lat_##name *from)              \
    {                                                                                              \
        return (struct lat_##name *)lat_row_copy(&from->row);                                      \
    }
LAT_TABLES(X)
#undef X

#endif
