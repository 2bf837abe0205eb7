#!/bin/bash
# serve.sh: on the destination, waits for files, images and the word to restore; ends when the restore has been answered.
base=/run/plain-move
# runc binds its own cgroups into what it restores; whoever came in from outside the node has some that the node cannot see.
for procs in /sys/fs/cgroup/*/cgroup.procs; do echo $$ > "$procs"; done
rsync --daemon --no-detach --config=$base/rsyncd.conf --port=7803 &
files=$!
perl $base/listen.pl 7801 sh -c "tar -x -b 512 -C $base/in && echo arrived > $base/arrived" &
images=$!
perl $base/listen.pl 7802 bash $base/restore.sh &
answer=$!
trap 'kill $files $images $answer 2> /dev/null' EXIT
trap exit TERM
echo $$ > $base/serving
wait $answer
