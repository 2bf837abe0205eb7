// Installs the product into a lab as its user would: helm install, then the scheduler fragment that the chart's notes describe.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { schedulerConfiguration } from '../config/scheduler.ts'
import type { Lab } from '../lab.ts'
import { projectRoot } from '../layout.ts'
import { said } from '../said.ts'

export const productNamespace = 'podmotion'
export const extenderClusterIp = '10.96.100.10'
const chart = join(projectRoot, 'manifests', 'chart')
const extenderFolder = '/etc/kubernetes/podmotion'

export interface InstallOptions {
  values?: Record<string, unknown>
  /** Images of the same tag were loaded anew: running pods must be replaced. */
  restart?: boolean
  say?: (line: string) => void
}

/** Returns when every node has said whether it can take part, and kube-scheduler asks our extender. */
export async function installProduct(lab: Lab, options: InstallOptions = {}): Promise<void> {
  const say = options.say ?? (() => undefined)
  await helmInstall(lab, options.values ?? {})
  say('chart installed')
  if (options.restart) await restartPods(lab)
  await lab.kubectl(['-n', productNamespace, 'rollout', 'status', 'deployment/podmotion-controller', '--timeout=120s'])
  say('controller ready')
  await useExtender(lab)
  say('kube-scheduler asks the extender')
  await waitEligible(lab)
  say('every node can take part')
}

async function helmInstall(lab: Lab, values: Record<string, unknown>): Promise<void> {
  const merged = { extender: { clusterIP: extenderClusterIp }, ...values }
  await lab.helm(['upgrade', '--install', 'podmotion', chart, '--namespace', productNamespace, '--create-namespace', '--values', '-'], {
    input: stringify(merged),
  })
}

async function restartPods(lab: Lab): Promise<void> {
  const workloads = ['deployment/podmotion-controller', 'daemonset/podmotion-agent']
  await lab.kubectl(['-n', productNamespace, 'rollout', 'restart', ...workloads])
  for (const workload of workloads) await lab.kubectl(['-n', productNamespace, 'rollout', 'status', workload, '--timeout=120s'])
}

/** As the chart's notes say: first the agents take everything off their nodes, then the release goes. */
export async function uninstallProduct(lab: Lab): Promise<void> {
  await lab.restartScheduler(schedulerConfiguration())
  await helmInstall(lab, { uninstall: { enabled: true } })
  await lab.kubectl(['-n', productNamespace, 'rollout', 'status', 'daemonset/podmotion-agent', '--timeout=180s'])
  await lab.helm(['uninstall', 'podmotion', '--namespace', productNamespace, '--wait'])
}

/** What the chart's notes tell an administrator: put the certificates beside the scheduler, add the fragment to its configuration. */
async function useExtender(lab: Lab): Promise<void> {
  const secret = await readObject(lab, ['secret', 'podmotion-scheduler-tls'])
  const map = await readObject(lab, ['configmap', 'podmotion-scheduler-extender'])
  const fragment = parse(Object.values(map.data ?? {}).join('\n')) as { extenders: unknown[] }
  const files = Object.fromEntries(Object.entries(secret.data ?? {}).map(([name, value]) => [`${extenderFolder}/${name}`, decode(value)]))
  await lab.restartScheduler(stringify({ ...parse(schedulerConfiguration()), extenders: fragment.extenders }), files)
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8')
}

async function readObject(lab: Lab, what: string[]): Promise<{ data?: Record<string, string> }> {
  const { stdout } = await said(lab.kubectl(['-n', productNamespace, 'get', ...what, '-o', 'json']))
  return JSON.parse(stdout)
}

interface Capacity {
  metadata: { name: string }
  status?: { eligible: boolean; reasons: { code: string; message: string }[] }
}

/** Waits until each node is eligible; a node that cannot take part fails with its reasons. */
export async function waitEligible(lab: Lab, timeoutMs = 120_000): Promise<void> {
  const endMs = Date.now() + timeoutMs
  let seen: Capacity[] = []
  while (Date.now() < endMs) {
    const { stdout } = await said(lab.kubectl(['get', 'nodemigrationcapacities', '-o', 'json'], { reject: false }))
    seen = stdout ? (JSON.parse(stdout).items ?? []) : []
    if (seen.filter((one) => one.status?.eligible).length === lab.options.nodes) return
    await sleep(500)
  }
  const reasons = seen.map(
    (one) => `${one.metadata.name}: ${one.status?.reasons.map((reason) => `${reason.code} ${reason.message}`).join('; ') ?? 'no status'}`,
  )
  throw new Error(
    `Waiting for ${lab.options.nodes} eligible nodes: after ${timeoutMs / 1000} s\n${reasons.join('\n') || 'no agent has reported'}`,
  )
}
