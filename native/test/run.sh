#!/bin/sh
# Runs the Python tests in namespaces of their own: nothing of them is left on the machine.
# PODMOTION_BUILD: the programs under test. PODMOTION_TEST_RUNC and PODMOTION_TEST_CRIU: real ones, for the restore test (else those in PATH, else it is skipped).
here=$(realpath "$(dirname "$0")")
cd "$here" || exit 1
export PODMOTION_TEST_RUNC="${PODMOTION_TEST_RUNC:-$(command -v runc)}" PODMOTION_TEST_CRIU="${PODMOTION_TEST_CRIU:-$(command -v criu)}"
if [ -z "$PODMOTION_INSIDE" ]; then
	export PODMOTION_INSIDE=1
	exec unshare --mount --net --pid --fork --kill-child --mount-proc "$here/run.sh" "$@"
fi
mount -t tmpfs tmpfs /run && ip link set lo up || exit 1
python3 -B -W ignore::ResourceWarning -m unittest "$@"
