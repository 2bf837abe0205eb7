// The seams inside the agent: what the move asks of the network and storage rooms. Implementations live in network/ and storage/.

export interface Attached {
  /** What podmotion-cni wrote when it attached the awaited pod (native/README.md). */
  hostVeth: string
  podMac: string
  gateway: string
  netns: string
}

export interface Endpoint {
  address: string
  port: number
}

/** One conntrack entry per flow as seen on the pod's leg, to be inserted on the destination. */
export interface Leg {
  protocol: 'tcp' | 'udp'
  source: string
  sourcePort: number
  destination: string
  destinationPort: number
  mark: number
  windowScaleOriginal: number
  windowScaleReply: number
  /** The pod's own Service flow: the translation that only the source knows. `sourceNat` too: a flow to itself, or under another of the pod's ports. */
  destinationNat?: Endpoint | undefined
  sourceNat?: Endpoint | undefined
  /** The node whose address stands in for one end: the pod's packets keep the way through it until the flow ends. */
  relayThrough?: string | undefined
  /** One end has closed: the flow may be over before the pod has moved. */
  closing?: boolean | undefined
}

/** What the flows of a pod became between two looks. */
export interface FlowChange {
  added: Leg[]
  ended: Leg[]
}

export interface NodeReason {
  code: string
  message: string
  remedy?: string
  /** true: refuses in BestEffort as well */
  blocking: boolean
}

export interface FlowSurvey {
  legs: Leg[]
  /** Connections of the pod with a peer outside it. */
  connections: number
  listeners: number
  /** Ports on which the pod listens. */
  openPorts: number[]
  reasons: NodeReason[]
}

export interface Diversion {
  uid: string
  ips: string[]
  destinationNodeIps: string[]
  role: 'source' | 'home'
  sandboxPid?: number
}

/**
 * The network half of a move. `ips`: the pod's addresses, one of each family that it has. Each call is idempotent and has an undo; each change on the node is owned by the
 * migration UID and listed, so that `sweep` removes what no live migration owns.
 */
export interface PodNetwork {
  /** Source: conntrack and sockets of the pod. Changes nothing. */
  survey(pod: { ips: string[]; sandboxPid: number; podCidrs: string[]; serviceIps: string[] }): Promise<FlowSurvey>
  /**
   * A home that stands in for flows of the pod to itself, before the source is prepared: nobody else gets those ports until `undo` or `settle`. Flows
   * under another node's address are no concern of it.
   */
  reserve(move: { uid: string; ips: string[]; legs: Leg[] }): Promise<void>
  /** Source, before the destination is armed: its entries and the destination's will exist side by side. */
  prepare(move: { uid: string; ips: string[]; legs: Leg[] }): Promise<void>
  /** Destination, before the hold: conntrack legs inserted, relays laid, nothing queued yet. */
  arm(move: { uid: string; ips: string[]; legs: Leg[]; openPorts: number[] }): Promise<void>
  /** Source: which flows began or ended since the last look; `again`: it will be asked once more. */
  changedFlows(move: {
    uid: string
    again: boolean
    ips: string[]
    sandboxPid: number
    podCidrs: string[]
    serviceIps: string[]
  }): Promise<FlowChange>
  /** Destination: the same for its entries, while it holds. */
  rearm(move: { uid: string; ips: string[]; change: FlowChange }): Promise<void>
  /** Destination, held: armed flows that its kernel does not have as they should be, in words. */
  missingFlows(move: { uid: string; ips: string[] }): Promise<string[]>
  /** Destination, ahead of the hold, and nobody waits for it. `otherNodeIps`: of the source, to which what will wait can be given back. */
  prepareHold(move: { uid: string; ips: string[]; attached: Attached; otherNodeIps?: string[] }): Promise<void>
  /** Destination, once that is done: whoever opens a connection to the pod by way of this node waits in the kernel from here on. */
  awaitNew(move: { uid: string; ips: string[] }): Promise<void>
  /** A route of just each address to the veth: all packets queue in the kernel. */
  hold(move: { uid: string; ips: string[]; attached: Attached }): Promise<void>
  /** All of `divert` that changes no route, ahead of the hold. */
  prepareDivert(move: Diversion): Promise<void>
  /**
   * Source, when both are prepared: whoever opens a connection waits on the destination. Returns, when those that were half open have ended or after
   * `withinMs`, whose still are (`address port`).
   */
  sendNewOn(move: Diversion & { sandboxPid: number; withinMs: number }): Promise<string[]>
  /**
   * Source or home node: the addresses via the destination; home: proxy neighbour + gratuitous ARP. Source: the veth out of the bridge, which
   * may take until `lock`.
   */
  divert(move: Diversion): Promise<void>
  /** Source: drop everything in and out of the pod's namespace (after the freeze). */
  lock(move: { uid: string; sandboxPid: number }): Promise<void>
  /** Destination after the commit: neighbour entries permanent, queued packets go in, in order. false: the veth is gone, and they with it. */
  release(move: { uid: string; ips: string[]; attached: Attached }): Promise<boolean>
  /**
   * Destination, home or source: take back what hold/arm/divert/lock did for this migration (rollback). Never leaves a route that loops.
   * `sandboxPid`: of the source's pod, which is unlocked before anything comes back to it.
   * `otherNodeIps`: of the other side. Packets that wait on the destination go back to the source, which takes them until `wayBackEnds`.
   * `onBack`: the pod's packets come here again, so those that wait may come; at the latest when the promise resolves.
   */
  undo(move: {
    uid: string
    role: 'source' | 'destination' | 'home'
    sandboxPid?: number
    otherNodeIps?: string[]
    onBack?: () => void
  }): Promise<void>
  wayBackEnds(ips: string[]): Promise<void>
  /** After the end of a committed move: forget the ownership, what belongs to the moved pod now belongs to NetworkState. */
  settle(uid: string): Promise<void>
  /** Home node: forgets moves that began here longer ago than anybody goes on telling that they are over. */
  sweepHome(): Promise<void>
  /** The level-based wish of the controller (routes of moved pods, SNAT set, leases at home); IPs of open migrations are left alone. */
  apply(state: import('../api/agent-wire.ts').NetworkState): Promise<void>
  /** Takes away relays whose last flow has ended; the flows that are left, by the node that they go through. */
  sweepRelays(): Promise<Map<string, number>>
  /** Remove what no open migration owns, nor a young one that this node is the home for. Returns what was (or, dry, would be) removed. */
  sweep(openUids: string[], dryRun: boolean): Promise<string[]>
}

export interface RestlessFiles {
  /** Of files that changed within the last minute. */
  restlessBytes: number
  /** Of them, those of which the kernel tells where they are written: a freeze reads no more. */
  watchedBytes: number
  /** What it would read of them if it came rewrittenInMs after the look before. */
  rewrittenBytes: number
  rewrittenInMs: number
}

export interface StorageSize extends RestlessFiles {
  writableBytes: number
}

/** The storage half: emptyDirs and writable layers by rsync over the peer connection. */
export interface PodStorage {
  /** What would be synced, per container and volume; bytes. */
  measure(pod: StoragePod): Promise<StorageSize & { reasons: NodeReason[] }>
  /** One pass; final=true inside the freeze. Returns bytes sent. */
  sync(move: { uid: string; pod: StoragePod; destination: StorageDestination; final: boolean; bandwidthLimitMbps: number }): Promise<number>
  /** After all passes ahead: files that change all the time are kept as they are sent, `take` waits for the bandwidth. */
  keepHot(uid: string, take: (bytes: number) => Promise<void>): Promise<void>
  /** Ends what was started ahead for a last pass that did not come. */
  forget(uid: string): void
}

export interface StoragePod {
  uid: string
  containers: { name: string; id: string; bundle: string }[]
  volumes: { name: string; kind: 'emptyDir' | 'emptyDirMemory' | 'shared' | 'projected' | 'skip' }[]
}

export interface StorageDestination {
  /** Path of a local unix socket on which one connection per rsync is piped to the peer's `rsync --server` in the given folder. */
  transportSocket: string
  podUid: string
  /** container name -> bundle path on the destination (containerd id differs) */
  bundles: Record<string, string>
}
