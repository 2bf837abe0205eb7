#!/bin/bash
# verify-heap.sh: the restored copy lives, has its connection, and every page holds what it should.
base=/run/plain-move
pid=$(cat $base/pid)
kill -0 "$pid" || exit 1
established=$(nsenter -t "$pid" -n ss -Htn state established '( sport = :7000 )' | wc -l)
ask='exec 3<> /dev/tcp/127.0.0.1/7000; echo verify >&3; read -r -t 30 answer <&3; echo "$answer"'
answer=$(nsenter -t "$pid" -n -- bash -c "$ask") || exit 1
[[ $answer == ok* ]] && echo "$established connections, $answer pages"
