#!/bin/bash
# restore.sh: at the word of the source (input) restores the container and answers with what happened when (output).
base=/run/plain-move
read -r _
read -r _ < $base/arrived
echo "arrived $EPOCHREALTIME"
runc --root $base/runc restore --detach --bundle $base/bundle --tcp-established --manage-cgroups-mode ignore \
  --pid-file $base/pid --image-path $base/in/images --work-path $base/work plain-move < /dev/null > $base/said 2>&1
code=$?
[ $code = 0 ] && echo "restored $EPOCHREALTIME" && exit
echo "failed runc restore exited $code: $(grep -h Error $base/work/restore.log | head -n 3 | tr '\n' ' ') $(tail -n 1 $base/said)"
