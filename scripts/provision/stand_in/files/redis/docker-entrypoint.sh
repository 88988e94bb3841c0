#!/bin/sh
# Starts Redis as the official image does: as its own user, reachable from other containers.
set -eu

case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac

if [ "${1:-}" = redis-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . \! -user redis -exec chown redis '{}' +
        exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
    fi
    umask 0077
    shift
    # The official build has protected mode off, as a container's network is its fence. A file or flag still decides:
    # whatever stands later on the command line wins.
    case ${1:-} in
        '' | -*) set -- redis-server --protected-mode no "$@" ;;
        *) file=$1 && shift && set -- redis-server "$file" "$@" ;;
    esac
fi
exec "$@"
