// Runs a plan move by move on the plain objects and says what is wrong with it: written anew, knows nothing of the planner's insides.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { parseAmount } from '../../src/extender/quantity.ts'
import type { PlanningInput } from '../../src/planner/input.ts'
import type { ClusterPlan } from '../../src/planner/plan.ts'

const resources = ['cpu', 'memory', 'pods', 'example.com/gpu']

export function defectsOf(input: PlanningInput, plan: ClusterPlan): string[] {
  const places = new Map(input.pods.map((pod) => [keyOf(pod), pod.spec?.nodeName ?? '']))
  const defects: string[] = []
  for (const move of plan.moves) {
    const key = `${move.namespace}/${move.podName}`
    const pod = input.pods.find((candidate) => keyOf(candidate) === key)
    const node = input.nodes.find(({ metadata }) => metadata?.name === move.toNode)
    const say = (what: string) => defects.push(`step ${move.step}, ${key} ${move.fromNode} to ${move.toNode}: ${what}`)
    if (!pod || !node) {
      say('no such pod or node')
      continue
    }
    if (places.get(key) !== move.fromNode) say(`it is on ${places.get(key)}`)
    if (move.fromNode === move.toNode) say('it is there already')
    for (const what of [...mayNotMove(input, pod), ...overCapacity(input, places, pod, node), ...closed(input, pod, node)]) say(what)
    places.set(key, move.toNode)
    for (const what of brokenRules(input, places, pod, node)) say(what)
  }
  return defects
}

function mayNotMove(input: PlanningInput, pod: V1Pod): string[] {
  const guarded = input.pdbs?.find(
    ({ metadata, spec, status }) =>
      metadata?.namespace === pod.metadata?.namespace &&
      status?.disruptionsAllowed === 0 &&
      Object.entries(spec?.selector?.matchLabels ?? {}).every(([label, value]) => pod.metadata?.labels?.[label] === value),
  )
  const ofNode = pod.metadata?.ownerReferences?.some(({ kind }) => kind === 'DaemonSet')
  return [...(guarded ? [`PodDisruptionBudget ${guarded.metadata?.name}`] : []), ...(ofNode ? ['it is of a DaemonSet'] : [])]
}

/** The pod that comes needs its room beside all that is there: on its old node it still has its own. */
function overCapacity(input: PlanningInput, places: ReadonlyMap<string, string>, pod: V1Pod, node: V1Node): string[] {
  return resources.flatMap((resource) => {
    const there = input.pods.filter((other) => places.get(keyOf(other)) === node.metadata?.name)
    const used = [...there, pod].reduce((sum, other) => sum + requestOf(other, resource), 0)
    const room = parseAmount(resource, node.status?.allocatable?.[resource])
    return requestOf(pod, resource) > 0 && used > room ? [`${resource}: ${used} of ${room}`] : []
  })
}

function requestOf(pod: V1Pod, resource: string): number {
  if (resource === 'pods') return 1
  return (pod.spec?.containers ?? []).reduce((sum, { resources: own }) => sum + parseAmount(resource, own?.requests?.[resource] ?? '0'), 0)
}

function closed(input: PlanningInput, pod: V1Pod, node: V1Node): string[] {
  const labels = node.metadata?.labels ?? {}
  const taint = node.spec?.taints?.find(
    ({ key, effect }) => effect !== 'PreferNoSchedule' && !pod.spec?.tolerations?.some((one) => one.key === key),
  )
  const selected = Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
  const home = input.nodes.find(({ metadata }) => metadata?.name === pod.spec?.nodeName)
  const zone = 'topology.kubernetes.io/zone'
  const leavesZone = pod.spec?.volumes?.some((volume) => volume.persistentVolumeClaim) && home?.metadata?.labels?.[zone] !== labels[zone]
  return [
    ...(node.spec?.unschedulable ? ['the node is cordoned'] : []),
    ...(taint ? [`taint ${taint.key}`] : []),
    ...(selected ? [] : ['node selector']),
    ...(leavesZone ? ['its volume is in another zone'] : []),
  ]
}

function brokenRules(input: PlanningInput, places: ReadonlyMap<string, string>, pod: V1Pod, node: V1Node): string[] {
  const byName = new Map(input.nodes.map((one) => [one.metadata?.name ?? '', one]))
  const domainOf = (other: V1Pod, key: string) => byName.get(places.get(keyOf(other)) ?? '')?.metadata?.labels?.[key]
  const others = input.pods.filter((other) => other !== pod)
  return [...apart(pod, others, domainOf), ...together(input.pods, domainOf), ...spread(input, pod, node, domainOf)]
}

type DomainOf = (pod: V1Pod, key: string) => string | undefined

function apart(pod: V1Pod, others: readonly V1Pod[], domainOf: DomainOf): string[] {
  const refuses = (one: V1Pod, other: V1Pod) =>
    one.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.some(
      ({ topologyKey, labelSelector }) =>
        selects(labelSelector?.matchLabels, one, other) &&
        domainOf(one, topologyKey) !== undefined &&
        domainOf(one, topologyKey) === domainOf(other, topologyKey),
    )
  return others.flatMap((other) => (refuses(pod, other) || refuses(other, pod) ? [`it is beside ${keyOf(other)}`] : []))
}

/** Whoever must be beside another still is. */
function together(pods: readonly V1Pod[], domainOf: DomainOf): string[] {
  return pods.flatMap((pod) =>
    (pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ topologyKey, labelSelector }) =>
      pods.some(
        (other) =>
          other !== pod && selects(labelSelector?.matchLabels, pod, other) && domainOf(other, topologyKey) === domainOf(pod, topologyKey),
      )
        ? []
        : [`${keyOf(pod)} is alone in its ${topologyKey}`],
    ),
  )
}

function spread(input: PlanningInput, pod: V1Pod, node: V1Node, domainOf: DomainOf): string[] {
  return (pod.spec?.topologySpreadConstraints ?? []).flatMap(({ topologyKey, labelSelector, maxSkew }) => {
    const domains = new Set(input.nodes.flatMap(({ metadata }) => metadata?.labels?.[topologyKey] ?? []))
    const counts = [...domains].map((domain) => ({
      domain,
      count: input.pods.filter((other) => selects(labelSelector?.matchLabels, pod, other) && domainOf(other, topologyKey) === domain)
        .length,
    }))
    const here = counts.find(({ domain }) => domain === node.metadata?.labels?.[topologyKey])?.count ?? 0
    const least = Math.min(...counts.map(({ count }) => count))
    return here - least > maxSkew ? [`skew ${here - least} over ${topologyKey}`] : []
  })
}

function selects(labels: Record<string, string> | undefined, owner: V1Pod, other: V1Pod): boolean {
  return (
    labels !== undefined &&
    owner.metadata?.namespace === other.metadata?.namespace &&
    Object.entries(labels).every(([key, value]) => other.metadata?.labels?.[key] === value)
  )
}

function keyOf(pod: V1Pod): string {
  return `${pod.metadata?.namespace}/${pod.metadata?.name}`
}
