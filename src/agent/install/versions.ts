// Version numbers out of what programs print, and their order.

/** criu 4.2.1: earlier ones cannot start on current kernels or fail on TCP sockets; runc 1.3: what it was tried with. */
export const minimums = { kernel: '5.15', criu: '4.2.1', runc: '1.3.0', containerd: '2.0.0' } as const

/** `criu --version`, `runc --version`, `containerd --version`, `uname -r`: the first dotted number counts. */
export function parseVersion(text: string): string | undefined {
  return /(?:^|[^\d.])v?(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1]
}

export function isAtLeast(version: string, minimum: string): boolean {
  const [have, want] = [version, minimum].map((text) => text.split('.').map(Number)) as [number[], number[]]
  for (let place = 0; place < want.length; place++) {
    const difference = (have[place] ?? 0) - (want[place] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
