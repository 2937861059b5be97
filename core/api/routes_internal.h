/* The table of routes: what the API answers to. Handlers are declared in api_internal.h. */
#ifndef LAT_API_ROUTES_INTERNAL_H
#define LAT_API_ROUTES_INTERNAL_H

/* X(method, pattern, access, handler): every route of the API. A test walks this table and asks each as nobody, as a user and as a
 * stranger. */
#define LAT__ROUTES(X)                                                                             \
    X(GET, "/healthz", ANYBODY, healthz)                                                           \
    X(GET, "/readyz", ANYBODY, readyz)                                                             \
    X(GET, "/metrics", ANYBODY, metrics_get)                                                       \
    X(GET, "/api/v1/version", ANYBODY, version)                                                    \
    X(GET, "/api/v1/authority", ANYBODY, authority_get)                                            \
    X(POST, "/api/v1/login", ANYBODY, login)                                                       \
    X(GET, "/api/v1/me", USERS, me)                                                                \
    X(GET, "/api/v1/tokens", USERS, tokens_list)                                                   \
    X(POST, "/api/v1/tokens", USERS, tokens_create)                                                \
    X(DELETE, "/api/v1/tokens/{id}", USERS, tokens_remove)                                         \
    X(GET, "/api/v1/users", ADMINS, users_list)                                                    \
    X(POST, "/api/v1/users", ADMINS, users_create)                                                 \
    X(GET, "/api/v1/nodes", USERS, nodes_list)                                                     \
    X(GET, "/api/v1/nodes/{id}", USERS, nodes_get)                                                 \
    X(GET, "/api/v1/nodes/{id}/metrics", USERS, node_metrics)                                      \
    X(PATCH, "/api/v1/nodes/{id}", ADMINS, nodes_change)                                           \
    X(DELETE, "/api/v1/nodes/{id}", ADMINS, nodes_remove)                                          \
    X(POST, "/api/v1/nodes/{id}/approve", ADMINS, nodes_approve)                                   \
    X(POST, "/api/v1/nodes/{id}/reject", ADMINS, nodes_reject)                                     \
    X(GET, "/api/v1/join-tokens", ADMINS, join_tokens_list)                                        \
    X(POST, "/api/v1/join-tokens", ADMINS, join_tokens_create)                                     \
    X(DELETE, "/api/v1/join-tokens/{id}", ADMINS, join_tokens_remove)                              \
    X(POST, "/api/v1/join", ANYBODY, join)                                                         \
    X(POST, "/api/v1/join/renew", ANYBODY, join_renew)                                             \
    X(GET, "/api/v1/workloads", USERS, workloads_list)                                             \
    X(POST, "/api/v1/workloads", USERS, workloads_create)                                          \
    X(GET, "/api/v1/workloads/{id}", USERS, workloads_get)                                         \
    X(PATCH, "/api/v1/workloads/{id}", USERS, workloads_change)                                    \
    X(DELETE, "/api/v1/workloads/{id}", USERS, workloads_remove)                                   \
    X(POST, "/api/v1/workloads/{id}/start", USERS, workloads_start)                                \
    X(POST, "/api/v1/workloads/{id}/stop", USERS, workloads_stop)                                  \
    X(POST, "/api/v1/workloads/{id}/restart", USERS, workloads_restart)                            \
    X(POST, "/api/v1/workloads/{id}/scale", USERS, workloads_scale)                                \
    X(GET, "/api/v1/workloads/{id}/logs", USERS, workload_logs)                                    \
    X(GET, "/api/v1/workloads/{id}/stats", USERS, workload_stats)                                  \
    X(GET, "/api/v1/workloads/{id}/metrics", USERS, workload_metrics)                              \
    X(GET, "/api/v1/workloads/{id}/history", USERS, workload_history)                              \
    X(GET, "/api/v1/workloads/{id}/evaluations", USERS, workload_evaluations)                      \
    X(GET, "/api/v1/evaluations/{id}", USERS, evaluations_get)                                     \
    X(GET, "/api/v1/nodes/{id}/decisions", USERS, node_decisions)                                  \
    X(GET, "/api/v1/events", USERS, events_follow)                                                 \
    X(GET, "/api/v1/audit", USERS, audit_list)                                                     \
    X(GET, "/api/v1/audit/verify", ADMINS, audit_verify)                                           \
    X(GET, "/api/v1/types", USERS, types_list)                                                     \
    X(GET, "/api/v1/policies", USERS, policies_list)                                               \
    X(POST, "/api/v1/policies/check", ADMINS, policies_check)                                      \
    X(GET, "/api/v1/policies/{id}", USERS, policies_get)                                           \
    X(PUT, "/api/v1/policies/{id}", ADMINS, policies_apply)                                        \
    X(GET, "/api/v1/policies/{id}/versions", USERS, policy_versions)                               \
    X(POST, "/api/v1/policies/{id}/rollback", ADMINS, policies_rollback)

#endif
