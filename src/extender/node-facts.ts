// What is known of one node: the numbers that filter and score look at, kept ready for each of thousands.
import type { V1Node } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { CountedPod } from './cluster-index.ts'
import type { NodeClass } from './compatible-share.ts'
import type { Amounts } from './requests.ts'
import type { Reservation } from './reservations.ts'

export interface NodeFacts {
  readonly name: string
  /** Entries of a HostPriorityList by score, written once: an answer has thousands of them. */
  readonly entries: Buffer[]
  /** Its name as JSON. */
  readonly quoted: Buffer
  /** The node that came after it in the list that was read last: kube-scheduler keeps the order. */
  next: NodeFacts | undefined
  node: V1Node | undefined
  allocatable: Amounts
  /** Normalised image name to bytes. */
  images: ReadonlyMap<string, number>
  readonly requested: Record<string, number>
  readonly pods: Map<string, CountedPod>
  /** Migrations whose destination pod is counted here. */
  readonly landed: Map<string, number>
  capacity: NodeMigrationCapacity | undefined
  /** Of nodes that are alike; absent: no agent has looked at it. */
  nodeClass: NodeClass | undefined
  cpuFeatures: ReadonlySet<string>
  /** What the node really uses, where the metrics API says so. */
  usage: Amounts | undefined
  /** Of its link, for moves. */
  bytesPerSecond: number
  /** By migration: the room that it keeps here. */
  readonly reservations: Map<string, Reservation>
  /** Destinations of failed moves are few. */
  hasFailures: boolean
}

/** A link nobody has said anything about: 1 Gbit/s. */
const usualBytesPerSecond = 125_000_000

/** Nodes are never forgotten, only emptied. */
export class NodeTable {
  readonly #byName = new Map<string, NodeFacts>()

  get size(): number {
    return this.#byName.size
  }

  get(name: string): NodeFacts | undefined {
    return this.#byName.get(name)
  }

  values(): IterableIterator<NodeFacts> {
    return this.#byName.values()
  }

  /** Pods, capacities and moves may be heard of before their node. */
  take(name: string): NodeFacts {
    let facts = this.#byName.get(name)
    if (!facts) {
      facts = emptyNode(name)
      this.#byName.set(name, facts)
    }
    return facts
  }
}

function emptyNode(name: string): NodeFacts {
  return {
    name,
    entries: [],
    quoted: Buffer.from(JSON.stringify(name)),
    next: undefined,
    node: undefined,
    allocatable: {},
    images: new Map(),
    requested: {},
    pods: new Map(),
    landed: new Map(),
    capacity: undefined,
    nodeClass: undefined,
    cpuFeatures: new Set(),
    usage: undefined,
    bytesPerSecond: usualBytesPerSecond,
    reservations: new Map(),
    hasFailures: false,
  }
}

export function imagesOf(node: V1Node): Map<string, number> {
  const images = new Map<string, number>()
  for (const image of node.status?.images ?? [])
    for (const name of image.names ?? []) images.set(normaliseImage(name), image.sizeBytes ?? 0)
  return images
}

/** `nginx`, `docker.io/library/nginx` and `docker.io/library/nginx:latest` are one image. */
export function normaliseImage(name: string): string {
  const short = name.replace(/^docker\.io\//, '').replace(/^library\//, '')
  return short.includes('@') || /:[^/]*$/.test(short) ? short : `${short}:latest`
}
