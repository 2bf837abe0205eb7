// Makes the node's routes, proxy neighbours, leases, settings and rule set what the controller wishes, leaving open migrations alone.
import type { NetworkState } from '../../api/agent-wire.ts'
import type { AgentConfig } from '../config.ts'
import { run } from '../run.ts'
import type { FlowTables } from './flow-tables.ts'
import { pinMac } from './ip-batches.ts'
import { connectedBridges, hasOwnMac, macOf, readRoutes, uplinksOf } from './kernel-files.ts'
import type { AddressLeases } from './leases.ts'
import { readNodeNetwork } from './node-network.ts'
import { keepNodeSettings } from './node-settings.ts'
import { readWays, standInAddresses } from './read-ways.ts'
import { nodeRuleSet } from './rule-sets.ts'
import { tunnelDevices } from './ways.ts'
import { type NetworkPlan, type ProxiedAddress, planNetwork } from './wish.ts'

export interface WishContext {
  config: AgentConfig
  leases: AddressLeases
  flows: FlowTables
  owned: ReadonlySet<string>
  told: readonly ProxiedAddress[]
}

/** Returns the proxies whose neighbours have been told. */
export async function applyWish(state: NetworkState, context: WishContext): Promise<readonly ProxiedAddress[]> {
  // Again and again: the bridge comes with the node's first pod.
  await keepNodeSettings(context.config)
  const movable = new Set([...state.movable, ...context.owned])
  const outer = [...new Set([...uplinksOf(context.config.nodeIps), ...tunnelDevices(await readRoutes())])]
  await run('nft', ['-f', '-'], { input: nodeRuleSet(await standInAddresses(context.config.nodeIps), [...movable], outer) })
  await pinBridges(state.podCidrs)
  const plan = await planFor(state, context)
  await perform(plan, context)
  // Last: no route waits for it. Flows of open moves are being changed by them.
  const settled = state.movable.filter((address) => !context.owned.has(address))
  await context.flows.fix(settled, (address) => movable.has(address))
  return plan.proxies
}

/** The bridges that pods are on, before any pod leaves one (ip-batches.ts, pinMac). */
async function pinBridges(podCidrs: readonly string[]): Promise<void> {
  const bridgeOf = await connectedBridges(await readRoutes())
  const bridges = new Set(podCidrs.map((cidr) => bridgeOf(firstAddress(cidr))).filter((bridge) => bridge !== undefined))
  for (const bridge of bridges) {
    if (!(await hasOwnMac(bridge))) await run('ip', ['-batch', '-'], { input: `${pinMac(bridge, await macOf(bridge))}\n` })
  }
}

function firstAddress(cidr: string): string {
  return cidr.split('/')[0] ?? ''
}

async function planFor(state: NetworkState, { owned, told }: WishContext): Promise<NetworkPlan> {
  const [now, routes] = await Promise.all([readNodeNetwork(), readRoutes()])
  const [homeBridgeOf, wayTo] = await Promise.all([connectedBridges(routes), readWays(routes)])
  return planNetwork({ state, owned, homeBridgeOf, wayTo, told }, now)
}

async function perform(plan: NetworkPlan, { config, leases }: Pick<WishContext, 'config' | 'leases'>): Promise<void> {
  if (plan.commands.length > 0) await run('ip', ['-batch', '-'], { input: `${plan.commands.join('\n')}\n` })
  const told = plan.announce.map(({ address, bridge }) => `${bridge} ${address}\n`).join('')
  if (told !== '') await run(config.helper, ['garp', '-'], { input: told })
  await Promise.all(plan.keepLeases.map((address) => leases.keep(address)))
  await leases.freeUnwanted(plan.wantedAddresses)
}
