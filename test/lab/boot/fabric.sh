#!/bin/bash
# Prepares the lab's outer namespaces, once: fabric.sh STATE
# The machine's /proc stays visible in the state folder: hosts read there which process they are outside.
set -euo pipefail
state=$1
mkdir -p "$state/machine-proc"
mount --rbind /proc "$state/machine-proc"
mount -t proc proc /proc
ip link set lo up
ip link add fabric type bridge
ip link set fabric up
# What crosses the fabric is a cable to the hosts: no rule of this namespace may see it.
sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0 2> /dev/null || true
