#!/bin/bash
# Becomes the one process that holds a lab: outer.sh CGROUP INIT. Ending it ends everything.
set -euo pipefail
source "${BASH_SOURCE%/*}/cgroups.sh"
join_cgroup "$1"
exec unshare --net --mount --pid --fork --kill-child --propagation private "$2"
