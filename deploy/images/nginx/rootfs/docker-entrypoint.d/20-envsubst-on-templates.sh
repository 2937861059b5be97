#!/bin/sh
# Turns /etc/nginx/templates/*.template into configuration, with the environment's variables put in.
#
# Only variables that are set are replaced, so that nginx's own ($host, $uri) stay as they are.
set -eu

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
filter=${NGINX_ENVSUBST_FILTER:-}

[ -d "$templates" ] || exit 0
# shellcheck disable=SC2016  # the dollar is envsubst's
names=$(awk -v filter="$filter" 'BEGIN {
    for (name in ENVIRON) if (name ~ filter && name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) printf "${%s} ", name
}')

find "$templates" -follow -type f -name "*$suffix" | while IFS= read -r template; do
    target=$output/${template#"$templates"/}
    target=${target%"$suffix"}
    mkdir -p "$(dirname "$target")"
    envsubst "$names" <"$template" >"$target"
done
