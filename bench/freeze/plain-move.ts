// One move by script, without the product: `runc checkpoint` on one node, `runc restore` on another, timed; then the source lives on.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { nodes } from '../../test/lab/hosts.ts'
import type { Machine } from '../../test/lab/machine.ts'
import type { World } from '../../test/lab/product/world.ts'
import { said } from '../../test/lab/said.ts'
import type { Moved } from './our-move.ts'
import { between, breakdown, readNotes } from './timeline.ts'

const scripts = join(import.meta.dirname, '..', 'plain-move')
const base = '/run/plain-move'
const placeName = 'plain-move-place'
const moveTimeoutMs = 30_000

/** The copy is thrown away, so a plain move may be repeated from wherever the pod is. `verify`: the script that judges it. */
export async function plainMove(world: World, pod: V1Pod, targetNodeName: string, verify = 'verify-postgres.sh'): Promise<Moved> {
  const source = world.lab.node(pod.spec?.nodeName ?? '')
  const destination = world.lab.node(targetNodeName)
  try {
    await Promise.all([source, destination].map(installScripts))
    const place = await preparePlace(world, pod, targetNodeName)
    await run(destination, 'prepare.sh', [containerId(place), pod.status?.podIP ?? '', volumeOf(place)])
    return await moveAndVerify(source, destination, [containerId(pod), volumeOf(pod), addressOf(targetNodeName)], verify)
  } finally {
    await Promise.all([source, destination].map((node) => run(node, 'clean.sh', [])))
    await world.remove(`pod/${placeName}`, '--grace-period=0', '--force')
  }
}

async function moveAndVerify(source: Machine, destination: Machine, args: string[], verify: string): Promise<Moved> {
  const serving = said(destination.run('bash', [`${base}/serve.sh`], { reject: false, timeout: moveTimeoutMs * 2 }))
  await listening(destination)
  const { stdout } = await said(source.run('bash', [`${base}/move.sh`, ...args], { reject: false, timeout: moveTimeoutMs }))
  const { steps, failure } = readNotes(stdout)
  const freezeMs = between(steps, 'held', 'restored')
  const lives = freezeMs === undefined ? undefined : await whatLives(destination, verify)
  // One that was never asked to restore waits on, until `clean.sh` ends it.
  if (failure === undefined) await serving
  return {
    freezeMs: lives ? freezeMs : undefined,
    steps,
    breakdown: breakdown(steps, 'held', 'restored') + (lives ? ` (${lives})` : ''),
    failure: failure ?? (lives ? undefined : `the restored copy does not answer: ${stdout}`),
  }
}

/** What the restored copy has to show, or undefined when it does not live. */
async function whatLives(destination: Machine, verify: string): Promise<string | undefined> {
  const { stdout, exitCode } = await said(destination.run('bash', [`${base}/${verify}`], { reject: false }))
  return exitCode === 0 ? `copy lives: ${stdout}` : undefined
}

async function listening(destination: Machine): Promise<void> {
  const ask = ['-c', "ss -Htln | grep -cE ':780[123] '"]
  for (let attempt = 0; attempt < 100; attempt++) {
    const { stdout } = await said(destination.run('sh', ask, { reject: false }))
    // rsync listens for both families.
    if (Number(stdout) >= 3) return
    await sleep(50)
  }
  throw new Error(`Preparing a plain move to ${destination.name}: its ports 7801 to 7803 do not listen; is another program using them?`)
}

async function installScripts(node: Machine): Promise<void> {
  for (const name of await readdir(scripts)) await node.write(`${base}/${name}`, await readFile(join(scripts, name), 'utf8'))
}

async function run(node: Machine, script: string, args: string[]): Promise<void> {
  await node.run('bash', [`${base}/${script}`, ...args])
}

/** An ordinary pod with the same containers and mounts that does nothing: kubelet makes sandbox, volumes and bundle. */
async function preparePlace(world: World, pod: V1Pod, nodeName: string): Promise<V1Pod> {
  const containers = pod.spec?.containers.map(({ name, image, imagePullPolicy, volumeMounts }) => ({
    name,
    image,
    imagePullPolicy,
    volumeMounts,
    command: ['sleep', '100000'],
  }))
  const volumes = pod.spec?.volumes?.map(({ name }) => ({ name, emptyDir: {} }))
  const spec = { nodeName, automountServiceAccountToken: false, terminationGracePeriodSeconds: 0, containers, volumes }
  const labels = { app: placeName }
  const applied = await world.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: placeName, namespace: 'default', labels }, spec })
  if (applied.exitCode !== 0) throw new Error(`Preparing a plain move to ${nodeName}: ${applied.all}`)
  return await world.pod(placeName)
}

function containerId(pod: V1Pod): string {
  return pod.status?.containerStatuses?.[0]?.containerID?.split('//')[1] ?? ''
}

function volumeOf(pod: V1Pod): string {
  return `/var/lib/kubelet/pods/${pod.metadata?.uid}/volumes/kubernetes.io~empty-dir/${pod.spec?.volumes?.[0]?.name}`
}

function addressOf(nodeName: string): string {
  return nodes(Number(nodeName.replace('node-', ''))).at(-1)?.address ?? ''
}
