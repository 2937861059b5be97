/* A row of the audit trail: described as the tables are (tables.h), but kept in SQL alone. */
#ifndef LAT_MODEL_AUDIT_H
#define LAT_MODEL_AUDIT_H

#include "model/row.h"

/* The audit trail: rows that are only ever added, kept in SQL alone, each holding the hash of all before it. */
#define LAT_AUDIT_FIELDS(F)                                                                        \
    F(TIME, at, "when it happened")                                                                \
    F(TEXT, actor_kind, "what did it: user, api_token, node, system")                              \
    F(TEXT, actor_id, "id of who did it")                                                          \
    F(TEXT, actor_name, "name of who did it, at the time")                                         \
    F(TEXT, action, "what was done: workload.create, session.refused, ...")                        \
    F(TEXT, object_table, "table of what it was done to; empty: to nothing stored")                \
    F(TEXT, object_id, "id of what it was done to")                                                \
    F(TEXT, object_name, "name of what it was done to, at the time")                               \
    F(TEXT, project_id, "project it belongs to; empty: none")                                      \
    F(TEXT, request_id, "request that did it")                                                     \
    F(TEXT, address, "network address that the request came from")

/* A row of the audit trail. Texts are borrowed from whoever made it. */
enum { LAT_AUDIT_HASH_SIZE = 32 };
struct lat_audit {
    int64_t sequence; /* counts from 1 without gaps; given by the store */
    uint8_t
        hash[LAT_AUDIT_HASH_SIZE]; /* over the hash before it and this row (core/store/audit.c) */
#define LAT_AUDIT_MEMBER_TEXT(name) const char *name;
#define LAT_AUDIT_MEMBER_TIME(name) int64_t name;
#define LAT_AUDIT_MEMBER(kind, name, doc) LAT_AUDIT_MEMBER_##kind(name)
    LAT_AUDIT_FIELDS(LAT_AUDIT_MEMBER)
};

/* Returns the description of the audit trail; its fields are of TEXT, INT and TIME, found in struct lat_audit. */
const struct lat_table *lat_audit_table(void);

#endif
