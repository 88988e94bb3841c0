#!/bin/sh
# Starts RabbitMQ as its own user. RABBITMQ_DEFAULT_USER, _PASS and _VHOST are read by the server itself.
set -eu

case ${1:-} in -*) set -- rabbitmq-server "$@" ;; esac

for name in RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_PASS RABBITMQ_DEFAULT_VHOST; do
    eval "file=\${${name}_FILE:-}"
    [ -z "$file" ] || eval "export $name=\$(cat \"\$file\")"
    unset "${name}_FILE"
done

if [ "${1:-}" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
    chown -R rabbitmq:rabbitmq /var/lib/rabbitmq
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
fi
exec "$@"
