#!/bin/sh
# Deploys a workload with curl alone, waits until it runs, and prints its addresses.
#
#   LATTICE_ADDR=https://host:8443 LATTICE_TOKEN=... LATTICE_CACERT=ca.pem examples/api/deploy.sh NAME TYPE [PARAMS AS JSON]
set -eu

name=$1
type=$2
params=${3:-"{}"}

# api METHOD PATH [CURL ARGUMENT...]: the token goes in by a file descriptor, so that no process list shows it.
api() {
    method=$1
    path=$2
    shift 2
    printf 'header = "Authorization: Bearer %s"\n' "$LATTICE_TOKEN" |
        curl --silent --show-error --fail-with-body --config - --cacert "$LATTICE_CACERT" --request "$method" "$@" "$LATTICE_ADDR/api/v1$path"
}

member() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# The key makes it safe to send this again when the answer was lost: the same workload is answered, not a second one.
api POST /workloads --header 'Content-Type: application/json' --header "Idempotency-Key: deploy-$name" \
    --data "{\"type\": \"$type\", \"name\": \"$name\", \"params\": $params}" >/dev/null

while status=$(api GET "/workloads/$name" | member status) && [ "$status" != running ]; do
    if [ "$status" = failed ]; then
        api GET "/workloads/$name" | member reason >&2
        exit 1
    fi
    sleep 0.2
done
api GET "/workloads/$name" | python3 -c '
import json, sys
for endpoint in json.load(sys.stdin)["endpoints"]:
    print(endpoint["url"])'
