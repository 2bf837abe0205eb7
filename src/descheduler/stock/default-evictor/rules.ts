// DefaultEvictor's two questions about a pod: is it evictable, and may it leave (nodeFit, namespaceLabelSelector).
import type { V1Pod } from '@kubernetes/client-node'
import type { DefaultEvictorArguments } from '../../../api/descheduler-arguments.ts'
import { matchesSelector } from '../../../extender/label-selector.ts'
import { isReady, type StockCluster } from '../cluster.ts'
import { matchesQuery, parseLabelQuery } from '../label-query.ts'
import { fitsAnyOtherNode } from '../node-fit.ts'
import { wantsToStay } from '../pod-order.ts'
import { type Protection, protectionsOf } from './protections.ts'

const evictAnyway = 'descheduler.alpha.kubernetes.io/evict'
const mirrorPod = 'kubernetes.io/config.mirror'
const podSource = 'kubernetes.io/config.source'

export interface EvictorRules {
  /** Every reason at once; none: it is evictable. */
  protecting(pod: V1Pod): string[]
  /** Why it has to stay although it is evictable; undefined: it may leave. */
  keeping(pod: V1Pod): string | undefined
}

export function evictorRules(wish: DefaultEvictorArguments, priorityThreshold: number, cluster: StockCluster): EvictorRules {
  const protections: Protection[] = [alwaysProtected, ...protectionsOf(wish, priorityThreshold, cluster)]
  const place = placeRule(wish, cluster)
  const namespace = namespaceRule(wish, cluster)
  return {
    protecting: (pod) => {
      if (annotation(pod, evictAnyway) !== undefined) return []
      if (wish.noEvictionPolicy === 'Mandatory' && wantsToStay(pod)) return ['it is annotated prefer-no-eviction']
      return protections.map((protection) => protection(pod)).filter((reason) => reason !== undefined)
    },
    keeping: (pod) => place(pod) ?? namespace(pod),
  }
}

function alwaysProtected(pod: V1Pod): string | undefined {
  if (annotation(pod, mirrorPod) !== undefined) return 'it is a mirror pod'
  const source = annotation(pod, podSource)
  if (source !== undefined && source !== 'api') return 'it is a static pod'
  return pod.metadata?.deletionTimestamp ? 'it is being deleted' : undefined
}

function annotation(pod: V1Pod, key: string): string | undefined {
  return pod.metadata?.annotations?.[key]
}

function placeRule({ nodeFit, nodeSelector = '' }: DefaultEvictorArguments, cluster: StockCluster): Protection {
  if (!nodeFit) return () => undefined
  const query = parseLabelQuery(nodeSelector)
  const nodes = cluster.facts.nodes.filter((node) => isReady(node) && !('wrong' in query) && matchesQuery(query, node.metadata?.labels))
  return (pod) => (fitsAnyOtherNode(cluster, pod, nodes) ? undefined : 'it fits on no other node')
}

function namespaceRule({ namespaceLabelSelector: selector }: DefaultEvictorArguments, cluster: StockCluster): Protection {
  const isEmpty = !Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length
  if (isEmpty) return () => undefined
  return (pod) => {
    const namespace = cluster.facts.namespaces.find(({ metadata }) => metadata?.name === pod.metadata?.namespace)
    return namespace && matchesSelector(selector, namespace.metadata?.labels)
      ? undefined
      : 'its namespace is not one of namespaceLabelSelector'
  }
}
