// Answers a person's "why there?": every node with its score, its parts and its reasons for one pod.
import type { V1Pod } from '@kubernetes/client-node'
import type { ClusterIndex } from './cluster-index.ts'
import { type RankedNode, rankOn } from './rank.ts'
import { podKey } from './requests.ts'

export interface Explanation {
  pod: string
  runsOn: string | undefined
  destinations: RankedNode[]
}

export function explain(index: ClusterIndex, pod: V1Pod, nowMs: number): Explanation {
  const runsOn = pod.spec?.nodeName
  return { pod: podKey(pod), runsOn, destinations: rankOn(index, pod, { sourceNodeName: runsOn, nowMs }) }
}
