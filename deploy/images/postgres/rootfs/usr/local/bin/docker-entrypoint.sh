#!/bin/bash
# Prepares PGDATA on the first start, then becomes the server.
#
# The contract is the official image's: POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust) on the first
# start, POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_INITDB_WALDIR, PGDATA, each of the first
# four also as NAME_FILE; what lies in /docker-entrypoint-initdb.d runs once, in the order of its names;
# arguments go to the server; any other command is simply run.
#
# Order matters: as root it only makes and hands over folders and starts again as postgres, so that initdb and
# the server never run as root. The first start runs the server on its unix socket alone: nobody from outside
# can connect to a half-made database.
set -Eeuo pipefail

init_folder=/docker-entrypoint-initdb.d
socket_folder=/var/run/postgresql

die() {
    printf 'Error: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '       %s\n' "$@" >&2; fi
    exit 1
}

# setting NAME DEFAULT: exports NAME from itself, or from the file that NAME_FILE names, or from the default.
setting() {
    local name=$1 value=${2-} file=$1_FILE
    if [ -n "${!name-}" ] && [ -n "${!file-}" ]; then
        die "both $name and $file are set, and only one of them may be"
    fi
    if [ -n "${!name-}" ]; then
        value=${!name}
    elif [ -n "${!file-}" ]; then
        value=$(<"${!file}")
    fi
    export "$name=$value"
    unset "$file"
}

# True where the arguments only ask the server about itself.
only_asks() {
    local arg
    for arg in "$@"; do
        case $arg in
            -\? | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

make_folders() {
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" || true
    mkdir -p "$socket_folder" || true
    chmod 3775 "$socket_folder" || true
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        chmod 0700 "$POSTGRES_INITDB_WALDIR"
    fi
    [ "$(id -u)" = 0 ] || return 0
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    find "$socket_folder" \! -user postgres -exec chown postgres '{}' +
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
        find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres '{}' +
    fi
}

require_password() {
    if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        printf '%s\n' 'warning: POSTGRES_HOST_AUTH_METHOD is "trust": whoever reaches this server is let in without a password' >&2
    elif [ -z "$POSTGRES_PASSWORD" ]; then
        die 'Database is uninitialized and superuser password is not specified.' \
            'Set POSTGRES_PASSWORD to a non-empty value, for example "-e POSTGRES_PASSWORD=password" on "docker run".' \
            'POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one, which is not recommended.'
    fi
}

# initdb asks for the name of the user that runs it; a user id that was picked with --user has none.
name_this_user() {
    local uid gid wrapper
    uid=$(id -u)
    gid=$(id -g)
    if getent passwd "$uid" >/dev/null; then return; fi
    wrapper=$(find /usr/lib -name libnss_wrapper.so -print -quit)
    [ -n "$wrapper" ] || return 0
    NSS_WRAPPER_PASSWD=$(mktemp)
    NSS_WRAPPER_GROUP=$(mktemp)
    printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$uid" "$gid" "$PGDATA" >"$NSS_WRAPPER_PASSWD"
    printf 'postgres:x:%s:\n' "$gid" >"$NSS_WRAPPER_GROUP"
    export LD_PRELOAD=$wrapper NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

forget_user_name() {
    [ -n "${NSS_WRAPPER_PASSWD-}" ] || return 0
    rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
    unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

make_cluster() {
    local args=()
    name_this_user
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then args+=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
    # POSTGRES_INITDB_ARGS is written as a shell would read it.
    eval "args+=($POSTGRES_INITDB_ARGS)"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${args[@]}"
    forget_user_name
}

allow_hosts() {
    local method=$POSTGRES_HOST_AUTH_METHOD
    if [ -z "$method" ]; then method=$(postgres -C password_encryption "$@"); fi
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# Runs psql on the database that is being made. Scripts of users that are read in, not run, know it by this name.
docker_process_sql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

make_database() {
    local found
    found=$(docker_process_sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only \
        <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")
    if [ -z "$found" ]; then
        docker_process_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
}

run_init_files() {
    local file
    for file in "$init_folder"/*; do
        [ -e "$file" ] || continue
        printf '%s: running %s\n' "$0" "$file"
        case $file in
            *.sh)
                if [ -x "$file" ]; then
                    "$file"
                else
                    # shellcheck disable=SC1090  # the user's own file
                    . "$file"
                fi
                ;;
            *.sql) docker_process_sql -f "$file" ;;
            *.sql.gz) gunzip -c "$file" | docker_process_sql ;;
            *.sql.xz) xzcat "$file" | docker_process_sql ;;
            *.sql.zst) zstd -dc "$file" | docker_process_sql ;;
            *) printf '%s: ignoring %s\n' "$0" "$file" ;;
        esac
    done
}

first_start() {
    # Fails early, and not after minutes of initdb, where the folder cannot be read.
    ls "$init_folder/" >/dev/null
    make_cluster
    allow_hosts "$@"
    export PGPASSWORD=${PGPASSWORD-$POSTGRES_PASSWORD}
    local options
    printf -v options '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
    # The notification socket is for the server that stays.
    NOTIFY_SOCKET='' PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$options" -w start
    make_database
    run_init_files
    PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi

if [ "${1-}" = postgres ] && ! only_asks "$@"; then
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    make_folders
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid postgres --regid postgres --init-groups --inh-caps=-all "${BASH_SOURCE[0]}" "$@"
    fi
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        require_password
        first_start "${@:2}"
    fi
fi

exec "$@"
