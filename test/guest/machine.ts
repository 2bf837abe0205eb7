// An emulated machine with Debian's own kernel: its packages are unpacked into the lab's cache, none is installed.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { cachedDir } from '../lab/setup/step.ts'

export interface Machine {
  /** Of the unpacked packages. */
  root: string
  kernel: string
  /** In the order in which the kernel takes them: virtio, 9p and overlay for the root file system, the rest for criu's questions about sockets. */
  modules: string[]
}

const modules = [
  'drivers/virtio/virtio_ring', 'drivers/virtio/virtio', 'drivers/virtio/virtio_pci_modern_dev', 'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci', 'fs/netfs/netfs', 'fs/fscache/fscache', 'net/9p/9pnet', 'net/9p/9pnet_virtio', 'fs/9p/9p', 'fs/overlayfs/overlay',
  'net/unix/unix_diag', 'net/ipv4/inet_diag', 'net/ipv4/tcp_diag', 'net/ipv4/udp_diag', 'net/ipv4/raw_diag', 'net/netlink/netlink_diag',
  'net/packet/af_packet_diag', 'crypto/crc32c_generic', 'lib/libcrc32c', 'net/netfilter/nfnetlink', 'net/netfilter/nf_tables', 'drivers/net/veth',
  'drivers/net/tun', 'net/ipv4/netfilter/nf_defrag_ipv4', 'net/ipv6/netfilter/nf_defrag_ipv6', 'net/netfilter/nf_conntrack',
  'net/netfilter/nf_conntrack_netlink',
] // biome-ignore format: a list

export async function emulatedMachine(): Promise<Machine> {
  const packages = await packagesOf('qemu-system-x86', 'linux-image-amd64')
  const out = await cachedDir({
    name: 'guest-machine',
    inputs: packages,
    build: async (folder, run) => {
      // apt-get says which ones are missing here; what is there already qemu takes from here.
      await run(
        'sh',
        [
          '-c',
          'mkdir debs && cd debs && apt-get download "$@" && cd .. && for deb in debs/*.deb; do dpkg -x "$deb" .; done && rm -r debs',
          'sh',
          ...packages,
        ],
        { cwd: folder },
      )
    },
  })
  const version = (await readdir(join(out, 'lib', 'modules')))[0] ?? ''
  return {
    root: out,
    kernel: join(out, 'boot', `vmlinuz-${version}`),
    modules: modules.map((name) => join(out, 'lib', 'modules', version, 'kernel', `${name}.ko`)),
  }
}

/** Of what the guest prints beside its summary, when it failed. */
const shownLines = 60

export interface Start {
  machine: Machine
  initramfs: string
  /** Folders of this machine, by the name under which the guest mounts them. */
  shares: Readonly<Record<string, string>>
  /** `NAME=value …` of what runs inside. */
  environment: string
  timeoutMs: number
}

/** Emulated in software: nothing of this processor is needed for it. Prints what the guest says as it comes; returns its exit code. */
export async function runGuest(start: Start): Promise<number> {
  const { root } = start.machine
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu/pulseaudio']
  const guest = execa('nice', ['-n', '10', join(root, 'usr/bin/qemu-system-x86_64'), ...emulatorArguments(start)], {
    env: { LD_LIBRARY_PATH: libraries.map((path) => join(root, path)).join(':') },
    stdin: 'ignore',
    all: true,
    reject: false,
    timeout: start.timeoutMs,
  })
  const unsaid: string[] = []
  let code = 1
  for await (const line of guest.iterable({ from: 'all' })) {
    const said = /guest: ([^\r]*)/.exec(line)?.[1]
    if (said === undefined) unsaid.push(line)
    else console.log(said)
    code = Number(/^exit (\d+)$/.exec(said ?? '')?.[1] ?? code)
  }
  if (code !== 0) console.log(unsaid.slice(-shownLines).join('\n'))
  return code
}

function emulatorArguments({ machine, initramfs, shares, environment }: Start): string[] {
  const firmware = ['qemu', 'seabios'].flatMap((name) => ['-L', join(machine.root, 'usr/share', name)])
  // A processor with all that can be emulated, but for the fifth level of page tables.
  const hardware = '-accel tcg,thread=multi -cpu max,la57=off -m 2048 -smp 2 -nic none -no-reboot'.split(' ')
  const console = '-display none -vga none -monitor none -serial stdio'.split(' ')
  const kernel = ['-kernel', machine.kernel, '-initrd', initramfs, '-append', `console=ttyS0 panic=-1 quiet loglevel=0 ${environment}`]
  const shared = Object.entries(shares).flatMap(([tag, path]) => [
    '-virtfs',
    `local,path=${path},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`,
  ])
  return [...firmware, ...hardware, ...console, ...kernel, ...shared]
}

/** With those that it needs and this machine lacks, each with its version: `name=version`. */
async function packagesOf(emulator: string, kernelOf: string): Promise<string[]> {
  const { stdout: plan } = await execa('apt-get', ['-s', 'install', '--reinstall', '--no-install-recommends', emulator])
  const needed = [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm)].map(([, name, version]) => `${name}=${version}`)
  const { stdout: depends } = await execa('apt-cache', ['depends', kernelOf])
  const image = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
  if (image === undefined) throw new Error(`Looking for Debian's kernel: ${kernelOf} depends on no image: run apt-get update`)
  const { stdout: policy } = await execa('apt-cache', ['policy', image])
  return [...needed, `${image}=${/Candidate: (\S+)/.exec(policy)?.[1]}`]
}
