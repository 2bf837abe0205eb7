#!/bin/bash
# verify-postgres.sh: the restored copy lives, has its connections, and PostgreSQL in it answers.
base=/run/plain-move
pid=$(cat $base/pid)
kill -0 "$pid" || exit 1
established=$(nsenter -t "$pid" -n ss -Htn state established '( sport = :5432 )' | wc -l)
rows=$(timeout 5 nsenter -t "$pid" -n -m -- /usr/lib/postgresql/18/bin/psql -h 127.0.0.1 -U postgres -Atc 'select count(*) from pgbench_accounts') || exit 1
[ "$rows" -gt 0 ] && echo "$established connections, $rows rows"
