#!/bin/sh
# Starts PostgreSQL as the official image does: makes the database on the first run, then becomes the server.
set -eu

# file_env NAME DEFAULT: NAME from the environment, or from the file that NAME_FILE names.
file_env() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$value" ] && [ -n "$file" ]; then
        echo >&2 "error: both $1 and $1_FILE are set"
        exit 1
    fi
    [ -z "$file" ] || value=$(cat "$file")
    eval "export $1=\${value:-\$2}"
    unset "$1_FILE"
}

initialise() {
    file_env POSTGRES_PASSWORD ""
    file_env POSTGRES_USER postgres
    file_env POSTGRES_DB "$POSTGRES_USER"
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo >&2 "error: the database is new and POSTGRES_PASSWORD is not set (nor POSTGRES_HOST_AUTH_METHOD=trust)"
        exit 1
    fi
    password_file=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$password_file"
    # shellcheck disable=SC2086  # the arguments are split as in the official image
    initdb --username="$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 \
        ${POSTGRES_PASSWORD:+--pwfile="$password_file"} ${POSTGRES_INITDB_ARGS:-}
    rm "$password_file"
    # As the official image's sample configuration has it; initdb's default is this container's loopback alone.
    printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    populate
}

# The first server listens on its socket alone: nobody outside sees a database that is half made.
populate() {
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    PGPASSWORD=$POSTGRES_PASSWORD
    export PGPASSWORD
    if [ "$POSTGRES_DB" != postgres ]; then
        createdb --no-password --username="$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) psql -v ON_ERROR_STOP=1 --no-password -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file" ;;
            *.sql.gz) gunzip -c "$file" | psql -v ON_ERROR_STOP=1 --no-password -U "$POSTGRES_USER" -d "$POSTGRES_DB" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    echo "PostgreSQL init process complete; ready for start up."
}

case ${1:-} in -*) set -- postgres "$@" ;; esac

if [ "${1:-}" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chown -R postgres "$PGDATA" /var/run/postgresql
        chmod 0700 "$PGDATA"
        # A terminal or pipe that root opened may not be opened again by another user.
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    [ -s "$PGDATA/PG_VERSION" ] || initialise
fi
exec "$@"
