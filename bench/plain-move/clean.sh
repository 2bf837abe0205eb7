#!/bin/bash
# clean.sh: ends a restored copy and takes away what a plain move made on this node.
base=/run/plain-move
[ -d $base/runc ] && runc --root $base/runc delete --force plain-move 2> /dev/null
for mount in $base/in/shm $base/out/shm; do mountpoint -q $mount && umount $mount; done
rm -rf $base
