// The hold of a moving pod's traffic on its destination: the veth of the pod that waits there has no neighbour entry, so the kernel queues what is
// routed to it, until the pod lives and gets it all at once.
import type { AgentConfig } from '../config.ts'
import type { Attached, PodNetwork } from '../rooms.ts'
import { families, familyOf } from './family.ts'
import { forgetNeighbours, holdBatch, proxyNeighbour, releaseBatch } from './ip-batches.ts'
import { deviceExists, writeSysctls } from './kernel-files.ts'
import { WaitingRoutes } from './new-connections.ts'
import { homesOf, type Ownership } from './ownership.ts'
import { standInAddresses } from './read-ways.ts'
import type { NetworkRecord, NetworkRecords } from './records.ts'
import { runBatch } from './restore-routes.ts'
import { holdSysctls } from './sysctls.ts'
import { ipBatch, type WaitingCommands } from './waiting-commands.ts'
import type { WaysBack } from './way-back.ts'

export type HeldMove = Parameters<PodNetwork['prepareHold']>[0]

interface Rooms {
  config: Pick<AgentConfig, 'nodeIps'>
  records: NetworkRecords
  ownership: Ownership
  waiting: WaitingCommands
  waysBack: WaysBack
}

export class Holds {
  readonly #rooms: Rooms
  readonly #waitingRoutes = new WaitingRoutes()
  /** By migration whose new connections wait here: what begins its hold. */
  readonly #prepared = new Map<string, string>()

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  /** Returns what begins the hold. */
  async prepare({ uid, ips, otherNodeIps = [], attached: { hostVeth, podMac } }: HeldMove): Promise<string> {
    const { config, records, ownership, waiting, waysBack } = this.#rooms
    for (const { step } of releases(ips)) waiting.start(uid, step, ipBatch)
    const { record: before, bridgeOf } = await ownership.of(uid, ips, 'destination')
    const record = { ...before, heldVeth: hostVeth }
    await records.write(record)
    await writeSysctls(holdSysctls(hostVeth))
    await runBatch(forgetNeighbours({ ips, hostVeth, podMac }))
    await Promise.all([this.#waitingRoutes.lay(ips, hostVeth), waysBack.prepareToGive(record, otherNodeIps)])
    const standIns = await standInAddresses(config.nodeIps)
    // The pod comes home: its neighbours on the bridge go on asking the node for it, because it is no port of the bridge any more.
    const proxies = homesOf(ips, bridgeOf).map(({ ip, bridge }) => `${proxyNeighbour('replace', ip, bridge)}\n`)
    const hold = `${proxies.join('')}${holdBatch({ ips, hostVeth, standIns })}`
    this.#prepared.set(uid, hold)
    return hold
  }

  async begin(move: HeldMove): Promise<void> {
    const hold = this.#prepared.get(move.uid) ?? (await this.prepare(move))
    await this.#rooms.waiting.finish(move.uid, 'hold', ipBatch, hold)
  }

  /**
   * Of both families at once: one after the other, who has waited longest in the second would wait for all of the first. False: the pod's veth is
   * gone, and what waited with it.
   */
  async release(uid: string, ips: readonly string[], { hostVeth, podMac }: Attached): Promise<boolean> {
    const letIn = async (step: string, own: readonly string[]): Promise<string> =>
      await this.#rooms.waiting.finish(uid, step, ipBatch, releaseBatch(own, hostVeth, podMac))
    try {
      await Promise.all(releases(ips).map(({ step, own }) => letIn(step, own)))
      return true
    } catch (error) {
      if (await deviceExists(hostVeth)) throw error
      return false
    }
  }

  /** Nothing waits any more. */
  async end({ heldVeth }: Pick<NetworkRecord, 'heldVeth'>): Promise<void> {
    if (heldVeth !== undefined) await this.#waitingRoutes.takeAway(heldVeth)
  }

  forget(uid: string): void {
    this.#prepared.delete(uid)
  }
}

/** The addresses of each family, and the name of the command that lets in what waits for them. */
function releases(ips: readonly string[]): { step: string; own: string[] }[] {
  const byFamily = families.map((family) => ({ step: `release ${family.name}`, own: ips.filter((ip) => familyOf(ip) === family) }))
  return byFamily.filter(({ own }) => own.length > 0)
}
