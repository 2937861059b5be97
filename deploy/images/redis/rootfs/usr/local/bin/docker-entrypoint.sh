#!/bin/sh
# Hands the data folder to redis, gives up root, and becomes the server.
#
# The contract is the official image's: arguments that are options or a configuration file go to redis-server,
# any other command is run.
set -eu

case "${1-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

# A container's port is closed unless somebody publishes it, so the official image's server is built to serve
# others than its own host without a password. Debian's is not, and is told here, unless the user has said
# something about it.
mentions_protection() {
    for arg in "$@"; do
        case "$arg" in
            *protected-mode*) return 0 ;;
            *.conf) if grep -q '^[[:space:]]*protected-mode' "$arg" 2>/dev/null; then return 0; fi ;;
        esac
    done
    return 1
}

if [ "${1-}" = redis-server ]; then
    # Files of the data folder are nobody else's business.
    if [ "$(umask)" = 0022 ]; then umask 0077; fi
    if [ "$(id -u)" = 0 ]; then
        find . \! -user redis -exec chown redis '{}' +
        exec setpriv --reuid redis --regid redis --clear-groups --inh-caps=-all "$0" "$@"
    fi
    if [ "${2-}" != --version ] && [ "${2-}" != -v ] && ! mentions_protection "$@"; then
        set -- "$@" --protected-mode no
    fi
fi

exec "$@"
