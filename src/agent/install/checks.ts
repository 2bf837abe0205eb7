// From the facts of a node to every reason why it cannot take part, and what is worth a warning.
import type { Refusal } from '../../api/pod-migration.ts'
import { isAtLeast, minimums } from './versions.ts'

export interface NodeFacts {
  kernel: string
  architecture: string
  criu?: string
  runc?: string
  containerd?: string
  cgroupVersion: 1 | 2
  cpuModel: string
  cpuFeatures: string[]
  nftables: boolean
  conntrack: boolean
  snapshotter: string
  userfaultfd: boolean
  softDirty: boolean
  selinuxEnforcing: boolean
  ioUringAllowed: boolean
}

export function reasonsAgainst(facts: NodeFacts): Refusal[] {
  return [
    ...atLeast('KernelTooOld', 'Linux', facts.kernel, minimums.kernel, 'upgrade the kernel of the node'),
    ...atLeast('CriuTooOld', 'criu', facts.criu, minimums.criu, 'install criu from a newer release, or use an agent image that brings it'),
    ...atLeast('RuncTooOld', 'runc', facts.runc, minimums.runc, 'install a newer runc, or use an agent image that brings it'),
    ...atLeast('ContainerdTooOld', 'containerd', facts.containerd, minimums.containerd, 'upgrade containerd'),
    ...unless(
      facts.architecture === 'x64',
      'ArchitectureUnsupported',
      `the node is ${facts.architecture}`,
      'only x86-64 nodes can take part',
    ),
    ...unless(facts.nftables, 'NftablesMissing', 'nft cannot list the tables of the node', 'load the kernel module nf_tables'),
    ...unless(facts.conntrack, 'ConntrackMissing', 'connection tracking cannot be read', 'load the kernel module nf_conntrack_netlink'),
    ...unless(
      facts.snapshotter === 'overlayfs' || facts.snapshotter === '',
      'SnapshotterUnsupported',
      `containerd's snapshotter is ${facts.snapshotter}`,
      'use overlayfs: writable layers are carried as its upper folders',
    ),
  ]
}

export function warningsAbout(facts: NodeFacts): Refusal[] {
  const tracked = facts.userfaultfd || facts.softDirty
  return [
    ...unless(tracked, 'NoMemoryTracker', 'the kernel tracks no dirty pages', 'pods freeze for as long as their memory takes to copy'),
    ...unless(
      !facts.selinuxEnforcing,
      'SelinuxEnforcing',
      'SELinux is enforcing',
      'restores were not tried with it: move a test pod first',
    ),
    ...unless(
      !facts.ioUringAllowed,
      'IoUringAllowed',
      'programs may use io_uring, which cannot be checkpointed',
      'kernel.io_uring_disabled=2 makes most of them fall back (Node.js: UV_USE_IO_URING=0)',
    ),
  ]
}

function atLeast(code: string, name: string, version: string | undefined, minimum: string, remedy: string): Refusal[] {
  if (version !== undefined && isAtLeast(version, minimum)) return []
  const message = version === undefined ? `${name} was not found` : `${name} is ${version}, at least ${minimum} is needed`
  return [{ code: version === undefined ? code.replace('TooOld', 'Missing') : code, message, remedy }]
}

function unless(good: boolean, code: string, message: string, remedy: string): Refusal[] {
  return good ? [] : [{ code, message, remedy }]
}
