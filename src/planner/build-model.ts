// From the objects of the API server to the numbers that a search works on.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { parseAmount } from '../extender/quantity.ts'
import { type Amounts, allocatableOf, podKey, podRequests, takesRoom } from '../extender/requests.ts'
import type { Goal, PlanningInput, PodUsage } from './input.ts'
import type { Model, ModelNode, ModelPod } from './model.ts'
import { RuleBook } from './rules/rule-book.ts'
import { namespaceLabels } from './rules/terms.ts'
import { Budgets, belongsToNode, whyItStays } from './stays.ts'
import { volumePlaces } from './volume-places.ts'

/** A pod without a memory request still has to be copied. */
const leastMovedBytes = 2 ** 27
/** They have room to keep, but being used evenly is worth nothing for them. */
const notBalanced = /^(pods|ephemeral-storage|hugepages-.*|attachable-volumes-.*)$/

interface Placed {
  object: V1Pod
  requests: Amounts
  load: Amounts
  home: number
}

export function buildModel(input: PlanningInput, goal: Goal): Model {
  const objects = [...input.nodes].sort(byName)
  const nodes = modelNodes(objects, goal)
  const rooms = objects.map(allocatableOf)
  const usage = usageOf(input.podMetrics ?? [])
  const placed = placePods(input.pods, nodes, usage)
  const resources = [...new Set(placed.flatMap(({ requests }) => Object.keys(requests)))].sort()
  const balanced = resources.filter((name) => !notBalanced.test(name) && rooms.some((room) => (room[name] ?? 0) > 0))
  const labelsOf = namespaceLabels(input.namespaces ?? [])
  const rules = new RuleBook(objects, labelsOf, volumePlaces(objects, input.persistentVolumeClaims ?? [], input.persistentVolumes ?? []))
  const budgets = new Budgets(input.pdbs ?? [])
  const pods = placed.map((pod) => modelPod(pod, rules, budgets))
  rules.close()
  return {
    nodes,
    pods,
    resources,
    balanced,
    room: flat(rooms, resources),
    requests: flat(
      placed.map(({ requests }) => requests),
      resources,
    ),
    loadRoom: flat(rooms, balanced),
    load: flat(
      placed.map(({ load }) => load),
      balanced,
    ),
    loadSource: usage.size > 0 ? 'usage' : 'requests',
    rules,
  }
}

function modelNodes(objects: readonly V1Node[], goal: Goal): ModelNode[] {
  const leaving = new Set(goal.kind === 'evacuate' ? goal.nodeNames : [])
  return objects.map((node) => {
    const name = node.metadata?.name ?? ''
    const isDestination = !leaving.has(name) && !node.spec?.unschedulable && isReady(node)
    return { name, isDestination, isBalanced: isDestination }
  })
}

function isReady(node: V1Node): boolean {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  return !ready || ready.status === 'True'
}

function placePods(pods: readonly V1Pod[], nodes: readonly ModelNode[], usage: ReadonlyMap<string, Amounts>): Placed[] {
  const positions = new Map(nodes.map(({ name }, position) => [name, position]))
  const placed: Placed[] = []
  for (const object of pods) {
    const home = positions.get(object.spec?.nodeName ?? '')
    if (home === undefined || !takesRoom(object)) continue
    const requests = podRequests(object)
    placed.push({ object, requests, load: { ...requests, ...usage.get(podKey(object)) }, home })
  }
  return placed
}

function modelPod({ object, load, home }: Placed, rules: RuleBook, budgets: Budgets): ModelPod {
  const { namespace = '', name = '', uid = '' } = object.metadata ?? {}
  return {
    key: podKey(object),
    namespace,
    name,
    uid,
    home,
    movedBytes: Math.max(leastMovedBytes, load.memory ?? 0),
    stays: whyItStays(object, budgets),
    isOfNode: belongsToNode(object),
    shape: rules.shapeOf(object),
  }
}

function usageOf(metrics: readonly PodUsage[]): Map<string, Amounts> {
  const usage = new Map<string, Amounts>()
  for (const { metadata, containers } of metrics) {
    const total: Record<string, number> = {}
    for (const container of containers ?? [])
      for (const [resource, text] of Object.entries(container.usage)) total[resource] = (total[resource] ?? 0) + parseAmount(resource, text)
    usage.set(`${metadata?.namespace}/${metadata?.name}`, total)
  }
  return usage
}

function flat(rows: readonly Amounts[], columns: readonly string[]): Float64Array {
  const numbers = new Float64Array(rows.length * columns.length)
  rows.forEach((row, position) => {
    columns.forEach((column, offset) => {
      numbers[position * columns.length + offset] = row[column] ?? 0
    })
  })
  return numbers
}

/** The order of nodes must not decide a plan. */
function byName(one: V1Node, other: V1Node): number {
  return (one.metadata?.name ?? '') < (other.metadata?.name ?? '') ? -1 : 1
}
