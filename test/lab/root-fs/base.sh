#!/bin/bash
# Builds the Debian base that every root file system and image of the lab shares: base.sh OUT [MIRROR]
set -euo pipefail
out=$1 mirror=${2:-}
# The package lists stay: the layers above must see the same versions. Documentation never gets in.
mmdebstrap --variant=minbase --skip=cleanup/apt \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='force-unsafe-io' \
  --include=ca-certificates,libstdc++6 \
  forky "$out/fs" $mirror
rm -f "$out"/fs/var/cache/apt/archives/*.deb
# Nothing starts a service inside a root file system that is being made.
printf '#!/bin/sh\nexit 101\n' > "$out/fs/usr/sbin/policy-rc.d"
chmod 755 "$out/fs/usr/sbin/policy-rc.d"
: > "$out/fs/etc/resolv.conf"
