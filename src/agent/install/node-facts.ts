// Gathers the facts of this node: versions, kernel features, CPU.
import { access, readFile } from 'node:fs/promises'
import { arch, release } from 'node:os'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
import { kernelTrackers } from '../memory/trackers.ts'
import { run } from '../run.ts'
import type { NodeFacts } from './checks.ts'
import { dumpConfiguration } from './containerd.ts'
import { containerdCommand } from './containerd-process.ts'
import { readText } from './host-files.ts'
import { hostVersion, programPath } from './programs.ts'
import { parseVersion } from './versions.ts'

export async function gatherFacts(config: AgentConfig): Promise<NodeFacts> {
  const [criu, runc, containerd, dump, nftables, conntrack, trackers] = await Promise.all([
    programPath(config, 'criu').then(hostVersion),
    programPath(config, 'runc').then(hostVersion),
    containerdCommand().then(({ command }) => hostVersion(command)),
    dumpConfiguration(config),
    works('nft', ['list', 'tables']),
    works(config.helper, ['conntrack', 'dump', '--ip', config.nodeIp]),
    kernelTrackers(config),
  ])
  return {
    kernel: parseVersion(release()) ?? release(),
    architecture: arch(),
    ...(criu === undefined ? {} : { criu }),
    ...(runc === undefined ? {} : { runc }),
    ...(containerd === undefined ? {} : { containerd }),
    cgroupVersion: (await exists(path.join(config.cgroupDir, 'cgroup.controllers'))) ? 2 : 1,
    ...parseCpu(await readFile('/proc/cpuinfo', 'utf8')),
    nftables,
    conntrack,
    snapshotter: dump?.settings.snapshotter ?? '',
    ...trackers,
    selinuxEnforcing: (await readText('/sys/fs/selinux/enforce').catch(() => undefined))?.trim() === '1',
    ioUringAllowed: (await readText('/proc/sys/kernel/io_uring_disabled').catch(() => undefined))?.trim() !== '2',
  }
}

/** x86 calls them flags, arm64 Features. */
export function parseCpu(text: string): { cpuModel: string; cpuFeatures: string[] } {
  const valueOf = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? ''
  const features = valueOf('flags') || valueOf('Features')
  return { cpuModel: valueOf('model name'), cpuFeatures: features.split(' ').filter(Boolean).sort() }
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  const result = await run(command, args, { reject: false }).catch(() => undefined)
  return result?.exitCode === 0
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
