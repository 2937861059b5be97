#!/bin/sh
# Runs what lies in /docker-entrypoint.d before the server starts, in the order of its names, then becomes the
# command.
#
# The contract is the official image's: *.sh that may be executed are run, *.envsh are read in, and only a
# start of nginx itself does it; NGINX_ENTRYPOINT_QUIET_LOGS silences the messages.
set -eu

log() {
    if [ -z "${NGINX_ENTRYPOINT_QUIET_LOGS-}" ]; then printf '%s: %s\n' "$0" "$*"; fi
}

case "${1-}" in
    nginx | nginx-debug)
        for file in /docker-entrypoint.d/*; do
            [ -x "$file" ] || continue
            case "$file" in
                *.envsh)
                    log "reading $file"
                    # shellcheck disable=SC1090  # the user's own file
                    . "$file"
                    ;;
                *.sh)
                    log "running $file"
                    "$file"
                    ;;
                *) log "ignoring $file" ;;
            esac
        done
        log 'configuration complete; ready for start up'
        ;;
esac

exec "$@"
