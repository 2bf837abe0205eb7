#!/bin/bash
# Fills a containerd state folder with unpacked images: containerd-state.sh OUT LOWERS LAYOUT
# Runs in mount and PID namespaces of its own; every node of every lab starts from hard links to the result.
set -euo pipefail
out=$1 lowers=$2 layout=$3
mkdir -p "$out/containerd" "$out/.upper" "$out/.work" "$out/.root"
root=$out/.root
mount -t overlay overlay -o "lowerdir=$lowers,upperdir=$out/.upper,workdir=$out/.work" "$root"
mkdir -p "$root/var/lib/containerd" "$root/layout"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount --bind "$out/containerd" "$root/var/lib/containerd"
mount --bind "$layout" "$root/layout"
chroot "$root" containerd &
containerd=$!
for _ in $(seq 100); do
  chroot "$root" ctr version > /dev/null 2>&1 && break
  sleep 0.1
done
tar -C "$layout" -cf - oci-layout index.json blobs | chroot "$root" ctr -n k8s.io images import -
chroot "$root" ctr -n k8s.io images list -q
# A clean end flushes the databases.
kill "$containerd"
wait "$containerd" || true
umount -R "$root"
rm -rf "$out/.upper" "$out/.work" "$out/.root" "$out/containerd/tmpmounts"
