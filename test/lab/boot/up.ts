// Boots a lab: fabric, control plane, nodes, client; returns when every node is Ready.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isFlannel } from '../config/flannel.ts'
import { nodeObject } from '../config/nodes.ts'
import { startedLater } from '../config/services.ts'
import { apiServiceAddress, client, control, type Host, nodes } from '../hosts.ts'
import { Lab } from '../lab.ts'
import { layoutOf } from '../layout.ts'
import type { Machine } from '../machine.ts'
import type { LabOptions } from '../options.ts'
import { type SetUp, setUp } from '../setup/set-up.ts'
import { type Credentials, createCredentials } from './credentials.ts'
import { hostFiles, writeFiles } from './host-files.ts'
import { allowInotify } from './inotify.ts'
import { startOuter } from './outer.ts'
import { powerOn } from './power.ts'
import { type LabRecord, writeRecord } from './record.ts'
import { endLab, isRunning, removeLab } from './remove.ts'

export async function bootLab(options: LabOptions): Promise<Lab> {
  const prepared = await setUp({ flannel: isFlannel(options) })
  if (isRunning(options.name)) throw new Error(`Booting lab ${options.name}: it is already up; \`lab down --name ${options.name}\` ends it`)
  await removeLab(options.name)
  allowInotify()
  try {
    return await boot(options, prepared)
  } catch (error) {
    // Half a lab is of no use, its logs are: they stay until the next one of this name.
    await endLab(options.name)
    throw error
  }
}

async function boot(options: LabOptions, prepared: SetUp): Promise<Lab> {
  const startedAt = Date.now()
  const say = (text: string) => console.log(`lab: ${text} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`)
  const hosts = [control, client, ...nodes(options.nodes)]
  await writeEverything(options, hosts)
  const record: LabRecord = { options, setUp: prepared, ...(await startOuter(options, prepared)) }
  await writeRecord(record)
  await Promise.all(hosts.map((host) => powerOn(record, host)))
  say(`${hosts.length} hosts are up`)
  const lab = Lab.attach(options.name)
  await startControlPlane(lab)
  say('the API server answers')
  await Promise.all(nodes(options.nodes).map((host) => startKubelet(lab, host)))
  await waitReady(lab, options.nodes)
  say(`${options.nodes} nodes are Ready`)
  await Promise.all([lab.control, ...lab.nodes].map(waitServices))
  say('Services answer')
  return lab
}

async function writeEverything(options: LabOptions, hosts: readonly Host[]): Promise<void> {
  const layout = layoutOf(options.name)
  for (const folder of [layout.pki, layout.kubeconfigs, layout.logs, layout.hosts]) await mkdir(folder, { recursive: true, mode: 0o700 })
  const credentials = await createCredentials()
  await writeAdmin(options, credentials)
  await Promise.all(
    hosts.map(async (host) => writeFiles(join(layout.hosts, host.name, 'upper'), await hostFiles(host, options, credentials))),
  )
}

async function writeAdmin(options: LabOptions, credentials: Credentials): Promise<void> {
  const layout = layoutOf(options.name)
  await writeFile(join(layout.kubeconfigs, 'admin'), credentials.admin, { mode: 0o600 })
  await writeFile(join(layout.pki, 'ca.crt'), credentials.ca.certificate)
}

async function startControlPlane(lab: Lab): Promise<void> {
  await lab.waitApi()
  const items = nodes(lab.options.nodes).map((host) => nodeObject(host, lab.options))
  await lab.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) })
  await startLater(lab, control, ['kube-controller-manager', 'kube-scheduler', 'kube-proxy'])
}

export async function startKubelet(lab: Lab, host: Host): Promise<void> {
  await startLater(lab, host, isFlannel(lab.options) ? ['flanneld', 'kubelet', 'kube-proxy'] : ['kubelet', 'kube-proxy'])
}

async function startLater(lab: Lab, host: Host, services: readonly string[]): Promise<void> {
  const names = services.filter((service) => startedLater.includes(service))
  await lab.host(host.name).run('sh', ['-c', `for name in ${names.join(' ')}; do systemctl start $name & done; wait`])
}

async function waitReady(lab: Lab, count: number): Promise<void> {
  await lab.kubectl(['wait', '--for=condition=Ready', '--timeout=120s', ...nodes(count).map((host) => `node/${host.name}`)])
  // The first pod is refused until the controller manager has made this one.
  await lab.kubectl(['wait', '--for=create', '--timeout=60s', 'serviceaccount/default'])
}

// kube-proxy has written its first rules.
async function waitServices(machine: Machine): Promise<void> {
  const ask = `until curl -sk -o /dev/null --max-time 1 https://${apiServiceAddress}/version; do sleep 0.1; done`
  await machine.run('sh', ['-c', ask], { timeout: 60_000 })
}
