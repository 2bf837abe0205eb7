#!/bin/bash
# Powers a host on, from within the lab's outer namespaces: host-start.sh CGROUP STATE HOST LOWERS
set -euo pipefail
here=${BASH_SOURCE%/*}
source "$here/cgroups.sh"
cgroup=$1 state=$2 host=$3 lowers=$4
folder=$state/hosts/$host
mkdir -p "$folder"/{upper,work,root,data} "$state/logs/$host"
rm -f "$folder/pid" "$folder/inner-pid"
(
  join_cgroup "$cgroup/$host"
  exec setsid unshare --net --mount --pid --fork --uts --ipc --cgroup --kill-child --propagation private \
    "$here/host-init.sh" "$state" "$host" "$lowers" < /dev/null > "$state/logs/$host/boot.log" 2>&1
) &
for _ in $(seq 200); do
  [ -s "$folder/inner-pid" ] && break
  sleep 0.02
done
# A host that was killed a moment ago may still hold its cable.
ip link delete "$host" 2> /dev/null || true
ip link add "$host" type veth peer name eth0 netns "$(< "$folder/inner-pid")"
ip link set "$host" master fabric up
