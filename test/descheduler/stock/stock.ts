// A small cluster and one strategy of a stock policy: whom does it choose?
import type { V1Pod } from '@kubernetes/client-node'
import type { StrategyName } from '../../../src/api/migration-policy.ts'
import { parseStockPolicy } from '../../../src/descheduler/policy-text/stock-policy.ts'
import { type ClusterFacts, noFacts } from '../../../src/descheduler/stock/cluster.ts'
import type { Victim } from '../../../src/descheduler/stock/evictor.ts'
import { runStockPolicy } from '../../../src/descheduler/stock/run-policy.ts'
import { strategies } from '../../../src/descheduler/strategies/index.ts'
import { pod as anyPod, node, nowMs, type PodWish } from '../../extender/cluster.ts'

export interface World extends Partial<ClusterFacts> {
  pods: readonly V1Pod[]
  /** Arguments of DefaultEvictor. */
  evictor?: object
  /** Limits and the like. */
  policy?: object
}

/** Under a ReplicaSet, so that the default evictor lets it go. */
export function pod(key: string, wish: PodWish & { priority?: number; status?: object; createdAt?: string } = {}): V1Pod {
  const made = anyPod(key, { owner: 'web', ...wish })
  if (wish.priority !== undefined && made.spec) made.spec.priority = wish.priority
  if (wish.createdAt && made.metadata) made.metadata.creationTimestamp = wish.createdAt as unknown as Date
  Object.assign(made.status ?? {}, wish.status)
  return made
}

export const threeNodes = ['a', 'b', 'c'].map((name) => node(name, { labels: { zone: name === 'c' ? 'z2' : 'z1' } }))

export function outcomeOf(
  strategy: StrategyName,
  args: object,
  { evictor, policy, ...facts }: World,
): { victims: Victim[]; notes: string[] } {
  const pluginConfig = [...(evictor ? [{ name: 'DefaultEvictor', args: evictor }] : []), { name: strategy, args }]
  const plugins = { [strategies[strategy].extensionPoint]: { enabled: [strategy] } }
  const parsed = parseStockPolicy({
    apiVersion: 'descheduler/v1alpha2',
    kind: 'DeschedulerPolicy',
    ...policy,
    profiles: [{ name: 'test', pluginConfig, plugins }],
  })
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  const outcome = runStockPolicy(parsed.policy, { ...noFacts, nodes: threeNodes, ...facts }, nowMs)
  if ('problems' in outcome) throw new Error(JSON.stringify(outcome.problems))
  return outcome
}

/** Names in the order in which they are chosen; namespaces are left out. */
export function chosen(strategy: StrategyName, args: object, world: World): string {
  return outcomeOf(strategy, args, world)
    .victims.map(({ pod: { metadata } }) => metadata?.name)
    .join(' ')
}

export type Cases = [what: string, args: object, world: World, expected: string][]
