#!/bin/bash
# Builds flanneld from its module, without two of its backends: one that is written in C, and one whose cloud's client cannot be had everywhere.
# build.sh OUT VERSION FLAG…
set -euo pipefail
out=$1 version=$2
shift 2
module=$(cd / && go mod download -json "github.com/flannel-io/flannel@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
cp -r --no-preserve=mode "$module" "$out/source"
cd "$out/source"
sed -i -E '/pkg\/backend\/(tencentvpc|udp)"/d' main.go
mkdir -p "$out/usr/local/bin"
go build "$@" -o "$out/usr/local/bin/flanneld" .
rm -r "$out/source"
