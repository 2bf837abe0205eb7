#!/bin/bash
# Installs packages above lower layers and keeps the difference: layer.sh OUT LOWERS ARCHIVES PACKAGE…
# Runs in a mount namespace of its own, so that an interrupted build leaves no mount.
set -euo pipefail
out=$1 lowers=$2 archives=$3
shift 3
mkdir -p "$out/fs" "$out/work" "$out/merged" "$archives/partial"
root=$out/merged
# Plain copy-up only: the difference is read again as a lower layer and as an image layer.
mount -t overlay overlay -o "lowerdir=$lowers,upperdir=$out/fs,workdir=$out/work,redirect_dir=off,index=off,metacopy=off" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$archives" "$root/var/cache/apt/archives"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
# Debian would create a PostgreSQL cluster at installation: tests make their own.
mkdir -p "$root/etc/postgresql-common"
echo 'create_main_cluster = false' > "$root/etc/postgresql-common/createcluster.conf"
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
install() { chroot "$root" apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }
# The base's lists may be older than what the mirror still has.
install "$@" || { chroot "$root" apt-get update && install "$@"; }
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' > "$out/versions.txt"
umount -R "$root"
rm -rf "$out/work" "$out/merged"
