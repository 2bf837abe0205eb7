// Powers single hosts on and off.
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { Host } from '../hosts.ts'
import { type Layout, labSource, layoutOf } from '../layout.ts'
import { cgroupOf, endProcessesIn, removeCgroups } from './cgroups.ts'
import { entersHost, entersLab, hostPid } from './enter.ts'
import type { LabRecord } from './record.ts'

export async function powerOn(record: LabRecord, host: Host): Promise<void> {
  const { name } = record.options
  const layout = layoutOf(name)
  await mkdir(join(layout.hosts, host.name, 'data'), { recursive: true })
  if (host.kind === 'node') await fillContainerd(record.setUp.containerdState, join(layout.hosts, host.name, 'data', 'containerd'))
  const lowers = host.kind === 'client' ? record.setUp.clientLowers : record.setUp.nodeLowers
  const { file, args } = entersLab(record.init.pid, join(labSource, 'boot', 'host-start.sh'), [
    cgroupOf(name),
    layout.state,
    host.name,
    lowers,
  ])
  await execa(file, args)
  await waitBooted(layout, host)
}

// Hard links: no image is unpacked, and nothing is copied but the databases, which containerd writes in place.
async function fillContainerd(from: string, to: string): Promise<void> {
  if (existsSync(to)) return
  const made = `${to}.filling`
  await rm(made, { recursive: true, force: true })
  const linked = await execa('cp', ['-al', from, made], { reject: false })
  if (linked.failed) {
    // The cache is on another file system.
    await rm(made, { recursive: true, force: true })
    await execa('cp', ['-a', '--reflink=auto', from, made])
  }
  await execa('sh', ['-c', 'find "$1" -name "*.db" -exec cp -a {} {}.own \\; -exec mv {}.own {} \\;', 'sh', made])
  await execa('mv', [made, to])
}

async function waitBooted(layout: Layout, host: Host): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const { file, args, env } = entersHost(hostPid(layout, host.name), 'test', ['-e', '/run/lab/booted'])
    if (!(await execa(file, args, { env, reject: false })).failed) return
    await sleep(20)
  }
  throw new Error(`Powering on ${host.name}: it did not boot, see ${join(layout.logs, host.name, 'boot.log')}`)
}

// As if the plug was pulled: nothing is stopped or flushed. Its disk stays.
export async function powerOff(record: LabRecord, host: Host): Promise<void> {
  const cgroup = `${cgroupOf(record.options.name)}/${host.name}`
  await endProcessesIn(cgroup)
  await removeCgroups(cgroup)
  await rm(join(layoutOf(record.options.name).hosts, host.name, 'pid'), { force: true })
}
