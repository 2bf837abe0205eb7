// Reads a snapshot of a cluster: what `kubectl get nodes,pods,… -A -o json` writes, alone or several one after the other. Pure.
import type {
  V1Namespace,
  V1Node,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1PriorityClass,
  V1ReplicaSet,
} from '@kubernetes/client-node'
import type { MigrationPolicy } from '../api/migration-policy.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { anyQuery } from '../descheduler/stock/cluster.ts'
import type { NodeMetrics, PodMetrics } from '../descheduler/stock/metrics.ts'
import { isPrometheusAnswer, sharesOf } from '../descheduler/stock/prometheus-answer.ts'
import { CodedError } from '../runtime/errors.ts'

export interface Snapshot {
  nodes: V1Node[]
  pods: V1Pod[]
  replicaSets: V1ReplicaSet[]
  namespaces: V1Namespace[]
  priorityClasses: V1PriorityClass[]
  pdbs: V1PodDisruptionBudget[]
  persistentVolumeClaims: V1PersistentVolumeClaim[]
  persistentVolumes: V1PersistentVolume[]
  podMetrics: PodMetrics[]
  nodeMetrics: NodeMetrics[]
  /** Only where podmotion is installed already. */
  capacities: NodeMigrationCapacity[]
  migrations: PodMigration[]
  policies: MigrationPolicy[]
  /** The answer of Prometheus to the query of a policy, where it is in the snapshot. */
  prometheus?: ReadonlyMap<string, ReadonlyMap<string, number>>
}

const listOfKind = {
  Node: 'nodes',
  Pod: 'pods',
  ReplicaSet: 'replicaSets',
  Namespace: 'namespaces',
  PriorityClass: 'priorityClasses',
  PodDisruptionBudget: 'pdbs',
  PersistentVolumeClaim: 'persistentVolumeClaims',
  PersistentVolume: 'persistentVolumes',
  PodMetrics: 'podMetrics',
  NodeMetrics: 'nodeMetrics',
  NodeMigrationCapacity: 'capacities',
  PodMigration: 'migrations',
  MigrationPolicy: 'policies',
} as const satisfies Record<string, keyof Snapshot>

interface Item {
  kind?: string
  items?: Item[]
}

export function emptySnapshot(): Snapshot {
  return {
    nodes: [],
    pods: [],
    replicaSets: [],
    namespaces: [],
    priorityClasses: [],
    pdbs: [],
    persistentVolumeClaims: [],
    persistentVolumes: [],
    podMetrics: [],
    nodeMetrics: [],
    capacities: [],
    migrations: [],
    policies: [],
  }
}

export function parseSnapshot(text: string, name: string): Snapshot {
  const snapshot = emptySnapshot()
  for (const document of documentsOf(text, name))
    if (isPrometheusAnswer(document)) snapshot.prometheus = new Map([[anyQuery, sharesOf(document)]])
    else sort(document, undefined, snapshot)
  if (snapshot.nodes.length === 0) throw wrong(name, 'it has no nodes')
  return snapshot
}

/** A list of one kind (`PodList`) need not say the kind in each item; other kinds are left out. */
function sort(item: Item, kindOfList: string | undefined, into: Snapshot): void {
  const kind = item.kind ?? kindOfList
  if (Array.isArray(item.items)) {
    const kindOfItems = kind === 'List' ? undefined : kind?.replace(/List$/, '')
    for (const inner of item.items) sort(inner, kindOfItems, into)
    return
  }
  if (kind !== undefined && Object.hasOwn(listOfKind, kind)) {
    const list: unknown[] = into[listOfKind[kind as keyof typeof listOfKind]]
    list.push(item)
  }
}

function documentsOf(text: string, name: string): Item[] {
  const documents: unknown[] = []
  let start = 0
  // kubectl closes an object in the first column; a compact one (--raw) is a line of its own.
  for (const end of [...text.matchAll(/\}[ \t]*(?:\r?\n(?=[ \t\r\n]*\{)|$(?![\s\S]))/g)].map((match) => match.index + match[0].length)) {
    const parsed = tryParse(text.slice(start, end))
    if (parsed === undefined) continue
    documents.push(parsed)
    start = end
  }
  const rest = text.slice(start)
  if (rest.trim() !== '' || documents.length === 0) documents.push(parseOrSay(rest, name))
  for (const document of documents)
    if (typeof document !== 'object' || document === null || Array.isArray(document)) throw wrong(name, 'it is no Kubernetes object')
  return documents as Item[]
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseOrSay(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw wrong(name, error instanceof Error ? error.message : String(error))
  }
}

function wrong(name: string, what: string): CodedError {
  const expected = 'expected what `kubectl get nodes,pods,replicasets,namespaces,priorityclasses,pdb -A -o json` writes'
  return new CodedError('WrongSnapshot', `Reading the snapshot ${name === '-' ? 'from standard input' : name}: ${what}: ${expected}`)
}
