/* States and kinds: one table each makes the enum, the wire string, the parser and the manual. */
#ifndef LAT_MODEL_STATES_H
#define LAT_MODEL_STATES_H

#include "base/err.h"

#include <stdbool.h>

#define LAT_WORKLOAD_STATES(X)                                                                     \
    X(PENDING, pending, "accepted; not yet placed, or waiting for a node or for room")             \
    X(PLACING, placing, "being placed, or sent to its node")                                       \
    X(PULLING, pulling, "an image is being pulled")                                                \
    X(STARTING, starting, "started; not yet healthy")                                              \
    X(RUNNING, running, "every instance runs and is healthy")                                      \
    X(UNHEALTHY, unhealthy, "an instance runs and its health check fails")                         \
    X(UNREACHABLE, unreachable, "its node cannot be heard; what runs there goes on")               \
    X(STOPPING, stopping, "being stopped")                                                         \
    X(STOPPED, stopped, "stopped; its data is kept")                                               \
    X(FAILED, failed, "cannot run as it is; the reason says why")                                  \
    X(COMPLETED, completed, "a task of which every instance ended with success")                   \
    X(REMOVING, removing, "being removed")

/* Observed by the agent. */
#define LAT_ALLOCATION_STATES(X)                                                                   \
    X(PLACING, placing, "assigned; the agent has not answered yet")                                \
    X(PULLING, pulling, "the image is being pulled")                                               \
    X(STARTING, starting, "the container was started and is not yet healthy")                      \
    X(RUNNING, running, "the container runs and is healthy")                                       \
    X(UNHEALTHY, unhealthy, "the container runs and its health check fails")                       \
    X(STOPPING, stopping, "being stopped")                                                         \
    X(STOPPED, stopped, "stopped as asked")                                                        \
    X(FAILED, failed, "cannot run; the agent tries again where that can help")                     \
    X(COMPLETED, completed, "a task's container ended with success; it is not started again")      \
    X(REMOVED, removed, "container gone, and volumes unless they are kept")

#define LAT_NODE_STATES(X)                                                                         \
    X(PENDING, pending, "asks to join, and waits for an administrator")                            \
    X(JOINING, joining, "admitted; its link has never been up")                                    \
    X(READY, ready, "linked, and its engine answers")                                              \
    X(ENGINE_DOWN, engine_down, "linked, but its Docker Engine does not answer")                   \
    X(UNREACHABLE, unreachable, "no link; what runs there goes on")                                \
    X(REVOKED, revoked, "shut out by an administrator")

#define LAT_DESIRED(X)                                                                             \
    X(RUNNING, running, "should run")                                                              \
    X(STOPPED, stopped, "should stand still and keep its data")                                    \
    X(REMOVED, removed, "should be gone")

#define LAT_WORKLOAD_KINDS(X)                                                                      \
    X(SERVICE, service, "runs until it is stopped; what ends is started again")                    \
    X(TASK, task, "runs to its end once")

#define LAT_ROLES(X)                                                                               \
    X(USER, user, "sees and changes what is in their project")                                     \
    X(ADMIN, admin, "sees and changes everything")

#define LAT_PROTOCOLS(X)                                                                           \
    X(TCP, tcp, "bytes; TLS towards the client unless plain")                                      \
    X(HTTP, http, "HTTP; https:// unless plain")                                                   \
    X(POSTGRES, postgres, "PostgreSQL; answers SSLRequest unless plain")                           \
    X(REDIS, redis, "Redis; rediss:// unless plain")

#define LAT_TRIGGERS(X)                                                                            \
    X(WORKLOAD_CREATED, workload_created, "a workload was deployed")                               \
    X(WORKLOAD_CHANGED, workload_changed, "its spec or count changed, or it was to run again")     \
    X(NODE_CHANGED, node_changed, "a node came, went or got room")                                 \
    X(NODE_OPENED, node_opened, "the hours of a node's owner began")                               \
    X(POLICY_CHANGED, policy_changed, "the placement policy changed")

#define LAT_STATES_DECLARE(PREFIX, prefix, TABLE)                                                  \
    enum lat_##prefix{TABLE(LAT_STATES_ENUM_##PREFIX) LAT_##PREFIX##_COUNT};                       \
    const char *lat_##prefix##_name(enum lat_##prefix value);                                      \
    bool lat_##prefix##_parse(const char *text, enum lat_##prefix *ret_value);

#define LAT_STATES_ENUM_WORKLOAD(N, n, d) LAT_WORKLOAD_##N,
#define LAT_STATES_ENUM_ALLOCATION(N, n, d) LAT_ALLOCATION_##N,
#define LAT_STATES_ENUM_NODE(N, n, d) LAT_NODE_##N,
#define LAT_STATES_ENUM_WANT(N, n, d) LAT_WANT_##N,
#define LAT_STATES_ENUM_RUN(N, n, d) LAT_RUN_##N,
#define LAT_STATES_ENUM_ROLE(N, n, d) LAT_ROLE_##N,
#define LAT_STATES_ENUM_PROTOCOL(N, n, d) LAT_PROTOCOL_##N,
#define LAT_STATES_ENUM_TRIGGER(N, n, d) LAT_TRIGGER_##N,

LAT_STATES_DECLARE(WORKLOAD, workload_state, LAT_WORKLOAD_STATES)
LAT_STATES_DECLARE(ALLOCATION, allocation_state, LAT_ALLOCATION_STATES)
LAT_STATES_DECLARE(NODE, node_state, LAT_NODE_STATES)
LAT_STATES_DECLARE(WANT, want, LAT_DESIRED)
LAT_STATES_DECLARE(RUN, workload_kind, LAT_WORKLOAD_KINDS)
LAT_STATES_DECLARE(ROLE, role, LAT_ROLES)
LAT_STATES_DECLARE(PROTOCOL, protocol, LAT_PROTOCOLS)
LAT_STATES_DECLARE(TRIGGER, trigger, LAT_TRIGGERS)

/* May an allocation go from one observed state to another? One table; a test walks all pairs. Staying is allowed. */
bool lat_allocation_may_move(enum lat_allocation_state from, enum lat_allocation_state to);

#endif
