// The Debian packages of each root file system, and the oldest versions that work.
export const nodePackages = [
  'criu', 'runc', 'containerd', 'containernetworking-plugins', 'etcd-server', 'etcd-client',
  'iproute2', 'nftables', 'iptables', 'conntrack', 'rsync', 'kmod', 'procps', 'util-linux', 'mount',
  'jq', 'curl', 'tcpdump', 'iputils-ping', 'less',
] // biome-ignore format: a list

export const appPackages = [
  'postgresql-18', 'redis-server', 'redis-tools', 'nginx-light', 'python3',
  'iproute2', 'procps', 'curl', 'netcat-openbsd', 'iputils-ping', 'tcpdump',
] // biome-ignore format: a list

export const agentPackages = [
  'criu', 'runc', 'iproute2', 'nftables', 'iptables', 'conntrack', 'rsync', 'util-linux', 'mount', 'procps', 'kmod',
] // biome-ignore format: a list

// criu 3.17 does not start on current kernels, 4.1.1 fails on TCP sockets.
const oldestVersions: Record<string, string> = {
  criu: '4.2.1',
  runc: '1.3',
  containerd: '2.1',
}

// Debian's "1:2.1.9~ds1-2+b3" is upstream's 2.1.9.
export function upstreamVersion(debian: string): string {
  return /^(?:\d+:)?([0-9.]+)/.exec(debian)?.[1] ?? debian
}

export function isOlder(version: string, oldest: string): boolean {
  const have = version.split('.').map(Number)
  const need = oldest.split('.').map(Number)
  for (const [position, part] of need.entries()) {
    const difference = (have[position] ?? 0) - part
    if (difference !== 0) return difference < 0
  }
  return false
}

export function parseVersions(text: string): Map<string, string> {
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => {
        const [name = '', version = ''] = line.split(' ')
        return [name, upstreamVersion(version)]
      }),
  )
}

export function tooOld(found: Map<string, string>): string[] {
  return Object.entries(oldestVersions).flatMap(([name, oldest]) => {
    const version = found.get(name)
    if (version === undefined) return [`${name} is not installed (needs ${oldest})`]
    return isOlder(version, oldest) ? [`${name} ${version} is older than ${oldest}`] : []
  })
}
