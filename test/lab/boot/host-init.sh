#!/bin/bash
# First process of a host: makes its file system from layers, enters it and becomes its PID 1.
# host-init.sh STATE HOST LOWERS
set -euo pipefail
state=$1 host=$2 lowers=$3
folder=$state/hosts/$host
root=$folder/root
# /proc is still that of the outer namespace here.
read -r outside _ < "$state/machine-proc/self/stat"
read -r inner _ < /proc/self/stat
echo "$outside" > "$folder/pid"
echo "$inner" > "$folder/inner-pid"
until ip link show eth0 > /dev/null 2>&1; do sleep 0.02; done
hostname "$host"

mount -t overlay overlay -o "lowerdir=$lowers,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup" -o mode=755
for hierarchy in /sys/fs/cgroup/*; do
  name=${hierarchy##*/}
  target=$root/sys/fs/cgroup/$name
  if [ -L "$hierarchy" ]; then cp -P "$hierarchy" "$target"; continue; fi
  [ -e "$hierarchy/cgroup.procs" ] || continue
  mkdir "$target"
  case $name in
    unified) mount -t cgroup2 cgroup2 "$target" ;;
    systemd) mount -t cgroup -o none,name=systemd cgroup "$target" ;;
    *) mount -t cgroup -o "$name" cgroup "$target" ;;
  esac
done
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/run" -o size=6g,mode=755
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/run/lock" "$root/run/lab" "$root/var/log/lab"
mount --bind "$state/logs/$host" "$root/var/log/lab"
# On a real file system: containerd's own overlay mounts cannot stand on an overlay.
for name in kubelet containerd podmotion; do
  mkdir -p "$folder/data/$name" "$root/var/lib/$name"
  mount --bind "$folder/data/$name" "$root/var/lib/$name"
done

mount --make-rprivate /
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
# As systemd does: volumes mounted in a pod's namespace must be seen outside of it.
mount --make-rshared /
cd /
exec /usr/local/bin/init /usr/local/bin/lab-boot
