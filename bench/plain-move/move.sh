#!/bin/bash
# move.sh CONTAINER DATA_VOLUME DESTINATION: holds, checkpoints, copies, has it restored, and then gives the source its life back.
set -u
container=$1 volume=$2 destination=$3
base=/run/plain-move
bundle=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$container
runc="runc --root /run/containerd/runc/k8s.io"
pid=$($runc state "$container" | jq .pid)
freezer=/sys/fs/cgroup/freezer$(grep -m1 ':freezer:' "/proc/$pid/cgroup" | cut -d: -f3)/freezer.state
shm=$(jq -r '.mounts[] | select(.destination == "/dev/shm") | .source' "$bundle/config.json")
layer=$(grep -m1 " $bundle/rootfs " /proc/mounts | grep -o 'upperdir=[^,]*' | cut -d= -f2)
note() { echo "$1 $EPOCHREALTIME"; }
sync_data() { rsync -a --inplace --delete --numeric-ids "$volume/" "rsync://$destination:7803/data/"; }

mkdir -p $base/out/images $base/out/shm $base/work
mount --bind "$shm" $base/out/shm
back_to_life() {
  echo THAWED > "$freezer"
  nsenter -n -t "$pid" nft delete table inet plain_move 2> /dev/null
  note back
  umount $base/out/shm
}
trap back_to_life EXIT
fail() { echo "failed $1"; exit 1; }

criu check > /dev/null 2>&1 # makes its cache of the kernel's features
rsync -a --numeric-ids "$layer/" "rsync://$destination:7803/layer/" || fail "rsync of the writable layer"
for _ in 1 2; do sync_data; done

note holding
nsenter -n -t "$pid" nft -f $base/hold.nft || fail "nft"
note held
$runc checkpoint --leave-running --tcp-established --manage-cgroups-mode ignore \
  --image-path $base/out/images --work-path $base/work "$container" > $base/said 2>&1 ||
  fail "runc checkpoint: $(grep -h Error $base/work/dump.log | tail -n 2 | tr '\n' ' ') $(tail -n 1 $base/said)"
# What a checkpoint that ends the source would give: files that stand still while they are copied.
echo FROZEN > "$freezer"
note dumped
sync_data & files=$!
tar -c -b 512 -C $base/out . > /dev/tcp/"$destination"/7801 & images=$!
wait $images || fail "tar"
note sent
wait $files || fail "rsync"
note synced
exec 3<> /dev/tcp/"$destination"/7802
echo restore >&3
cat <&3
