#!/bin/bash
# prepare.sh CONTAINER POD_IP DATA_VOLUME: makes an ordinary pod's container (it sleeps) the place that a plain move restores into.
set -eu
container=$1 ip=$2 volume=$3
base=/run/plain-move
bundle=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$container
mkdir -p $base/bundle $base/work $base/runc $base/in/images $base/in/shm

jq --arg root "$bundle/rootfs" '.root.path = $root | .linux.cgroupsPath = "/plain-move"' "$bundle/config.json" > $base/bundle/config.json
shm=$(jq -r '.mounts[] | select(.destination == "/dev/shm") | .source' "$bundle/config.json")
mount --bind "$shm" $base/in/shm
namespace=$(jq -r '.linux.namespaces[] | select(.type == "network") | .path' "$bundle/config.json")
echo "$namespace" > $base/namespace

# The restored copy must never reach the clients, who still talk to the source: held until the pod is gone, and silent to ARP.
nsenter --net="$namespace" nft -f $base/hold.nft
nsenter --net="$namespace" sysctl -qw net.ipv4.conf.all.arp_ignore=8
nsenter --net="$namespace" ip address add "$ip/32" dev lo

printf '[data]\npath=%s\nread only=no\nuse chroot=no\nuid=0\ngid=0\n[layer]\npath=%s\nread only=no\nuse chroot=no\nuid=0\ngid=0\n' \
  "$volume" "$bundle/rootfs" > $base/rsyncd.conf
mkfifo $base/arrived
criu check > /dev/null 2>&1 || true # makes its cache of the kernel's features
