// What is on the nodes after a chaos move that belongs to nobody: compared with the beginning, by whose identifier a line carries.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { differences, type States, statesOf } from '../product/node-state.ts'
import type { World } from '../product/world.ts'
import { said } from '../said.ts'
import { programMark } from './workload.ts'

const patienceMs = 120_000
const lookEveryMs = 1500
const hex64 = /[0-9a-f]{64}/g
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const podName = /default_([a-z0-9-]+)/
const podAddress = /10\.244\.\d+\.\d+/g
/** The address of the node with which its own processes speak to a pod: of nobody who may have ended. */
const spokenFrom = / src \S+/
const sandboxNamespace = /netns\/cni-/
/** Of the chaos pod, wherever it lives. */
const itsPrograms = [programMark, 'process: sleep 1000000']

/** All that lives on one node, by its identifier. */
interface Living {
  ids: ReadonlySet<string>
  podNames: ReadonlySet<string>
  addresses: ReadonlySet<string>
}

/** What a source that has left keeps on disk waits for the sweep, which comes each minute; between moves nobody waits for that. */
const sweptLater = /podmotion\/(moving|awaited|restored)\//

export async function leftAfterMove(world: World, atFirst: States, podIp: string): Promise<string[]> {
  return await untilNothingLeft(world, atFirst, podIp, sweptLater)
}

/** Sweeps come each minute; what is left after that stays. */
export async function untilNothingLeft(world: World, atFirst: States, podIp: string, but = /^$/): Promise<string[]> {
  const endMs = Date.now() + patienceMs
  for (;;) {
    const left = (await leftovers(world, atFirst, podIp)).filter((line) => !but.test(line))
    if (left.length === 0 || Date.now() > endMs) return left
    await sleep(lookEveryMs)
  }
}

async function leftovers(world: World, atFirst: States, podIp: string): Promise<string[]> {
  const pods = await world.list<V1Pod>('pods', '-A')
  const now = await statesOf(world.lab.nodes, podIp)
  const everywhere = new Set([...atFirst.values()].flatMap((state) => [...state]))
  const left: string[] = []
  for (const node of world.lab.nodes) {
    const living = await livingOn(world, node.name, pods)
    const changes = differences(atFirst.get(node.name) ?? new Set(), now.get(node.name) ?? new Set())
    left.push(...changes.filter((line) => isLeft(line, living, everywhere)).map((line) => `${node.name} ${line}`))
  }
  return [...left, ...tooManyNamespaces(atFirst, now)]
}

/** Containers, a line each; then leases with their sandbox: a moved pod keeps the one that its new node gave it, too. */
const listing = `
ctr -n k8s.io containers ls -q
find /var/lib/cni/networks -type f -name '[0-9]*' | while read -r file; do echo "$(head -1 "$file" | tr -d '\\r') \${file##*/}"; done`

async function livingOn(world: World, nodeName: string, pods: readonly V1Pod[]): Promise<Living> {
  const { stdout } = await said(world.lab.node(nodeName).run('sh', ['-c', listing], { reject: false }))
  const lines = stdout.split('\n').map((line) => line.split(' '))
  const containers = lines.filter(({ length }) => length === 1).map(([id = '']) => id)
  const leased = lines.filter(([id = '', address]) => address !== undefined && containers.includes(id)).map(([, address = '']) => address)
  const here = pods.filter((pod) => pod.spec?.nodeName === nodeName)
  return {
    ids: new Set([...containers, ...here.map((pod) => pod.metadata?.uid ?? '')]),
    podNames: new Set(here.map((pod) => pod.metadata?.name ?? '')),
    addresses: new Set([...pods.map((pod) => pod.status?.podIP ?? ''), ...leased]),
  }
}

function isLeft(line: string, living: Living, everywhere: ReadonlySet<string>): boolean {
  if (line.startsWith('- ')) return /^- (route|rule|nft|table|proxy)/.test(line) && line.search(podAddress) < 0 && !/elements = /.test(line)
  // Counted for all nodes together; and legs of flows end by themselves.
  if (sandboxNamespace.test(line) || line.startsWith('+ conntrack')) return false
  if (itsPrograms.some((text) => line.includes(text)) || everywhere.has(line.slice(2))) return false
  // First: a store stays for a minute after the move and carries both its pod's name and the migration's UID.
  const name = podName.exec(line)?.[1]
  if (name !== undefined) return !living.podNames.has(name)
  const ids = [...(line.match(hex64) ?? []), ...(line.match(uuid) ?? [])]
  if (ids.length > 0) return !ids.every((id) => living.ids.has(id))
  const addresses = line.replace(spokenFrom, '').match(podAddress) ?? []
  return addresses.length === 0 || !addresses.every((address) => living.addresses.has(address))
}

/** Their names are nobody's: there may be one more than at first, the chaos pod's. */
function tooManyNamespaces(atFirst: States, now: States): string[] {
  const count = (states: States): number =>
    [...states.values()].flatMap((state) => [...state]).filter((line) => /^mount: .*netns\/cni-/.test(line)).length
  const [before, after] = [count(atFirst), count(now)]
  return after > before + 1 ? [`${after} network namespaces of sandboxes, ${before} at first and one of the pod`] : []
}
