// Where may a pod go, and where best: every node with its fit, its score and its reasons, best first.
import type { V1Pod } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'
import { type ClusterIndex, type ClusterView, indexOf } from './cluster-index.ts'
import { type Asking, type AskingOptions, askingFor, fitRefusals, freeFor } from './fit.ts'
import type { NodeFacts } from './node-facts.ts'
import { withoutPin } from './pin.ts'
import { scoreNode } from './score.ts'

export interface RankedNode {
  nodeName: string
  fits: boolean
  /** 0..10, an integer; 0 when it does not fit. */
  score: number
  parts: Record<string, number>
  reasons: Refusal[]
}

export interface RankView extends ClusterView {
  /** Default: the node that the pod runs on. */
  sourceNodeName?: string
  /** Without it nothing is too old. */
  nowMs?: number
  /** `ignore` drops the pod's own node and pod affinity rules, never room, taints or what CRIU needs. */
  affinityMode?: 'strict' | 'patch' | 'ignore'
}

export function rankDestinations(pod: V1Pod, view: RankView): RankedNode[] {
  return rankOn(indexOf(view), pod, {
    sourceNodeName: view.sourceNodeName ?? pod.spec?.nodeName,
    nowMs: view.nowMs,
    ignoreAffinity: view.affinityMode === 'ignore',
  })
}

/** The same on an index that is there already; `names` narrows it. */
export function rankOn(index: ClusterIndex, pod: V1Pod, options: AskingOptions & { names?: Iterable<string> }): RankedNode[] {
  const asking = askingFor(withoutPin(pod), index, options)
  const ranked: (RankedNode & { exact: number })[] = []
  for (const facts of named(index, options.names)) if (facts.node) ranked.push(judge(asking, facts, index))
  ranked.sort((one, other) => Number(other.fits) - Number(one.fits) || other.exact - one.exact || compare(one.nodeName, other.nodeName))
  return ranked.map(({ exact: _exact, ...node }) => node)
}

function judge(asking: Asking, facts: NodeFacts, index: ClusterIndex): RankedNode & { exact: number } {
  const free = freeFor(asking, facts, index)
  const reasons = fitRefusals(asking, facts, free)
  const fits = reasons.length === 0
  const { score, exact, parts } = scoreNode(asking, facts, index)
  return { nodeName: facts.name, fits, score: fits ? score : 0, parts, reasons, exact }
}

function* named(index: ClusterIndex, names: Iterable<string> | undefined): Iterable<NodeFacts> {
  if (!names) return yield* index.nodes
  for (const name of names) {
    const facts = index.node(name)
    if (facts) yield facts
  }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
