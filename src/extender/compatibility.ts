// Can a process that runs on one node go on on another: kernel, CRIU, CPU, agent?
import type { NodeMigrationCapacity, NodeMigrationCapacityStatus } from '../api/node-migration-capacity.ts'
import type { Refusal } from '../api/pod-migration.ts'
import type { NodeFacts } from './node-facts.ts'

/** An agent reports every half minute; after four missed reports it is away and cannot receive a pod. */
const staleAfterMs = 120_000

/** Nodes where pods of our RuntimeClass may start: an agent has looked, and found nothing against it. */
export function eligibilityRefusals(capacity: NodeMigrationCapacity | undefined): Refusal[] {
  const status = capacity?.status
  if (!status)
    return [{ code: 'NoAgent', message: 'no agent has reported what the node can do', remedy: 'check the agent DaemonSet on the node' }]
  if (status.eligible) return []
  if (status.reasons.length > 0) return status.reasons
  return [
    { code: 'NotEligible', message: 'its agent says that the node cannot take part, without a reason', remedy: "see the agent's log" },
  ]
}

export function freshnessRefusal(capacity: NodeMigrationCapacity | undefined, nowMs: number | undefined): Refusal | undefined {
  const observedAt = capacity?.status?.observedAt
  if (nowMs === undefined || !observedAt) return undefined
  const ageMs = nowMs - Date.parse(observedAt)
  if (ageMs <= staleAfterMs) return undefined
  return {
    code: 'AgentAway',
    message: `the agent of the node last reported ${Math.round(ageMs / 1000)} s ago (${observedAt})`,
    remedy: 'check the agent pod on the node',
  }
}

/** Going to something newer is fine, going back is not: images may hold what the older cannot restore. */
export function compatibilityRefusals(source: NodeFacts, destination: NodeFacts): Refusal[] {
  const from = source.capacity?.status
  const to = destination.capacity?.status
  if (!from || !to) return []
  const refusals = [
    differing('Architecture', 'CPU architecture', from.architecture, to.architecture),
    otherProtocol(from, to),
    differing('CgroupVersion', 'cgroup version', from.cgroupVersion, to.cgroupVersion),
    older('Kernel', 'kernel', from, to, 'kernel'),
    older('Criu', 'CRIU', from, to, 'criuVersion'),
    missingFeatures(source, destination),
  ]
  return refusals.filter((refusal) => refusal !== undefined)
}

function differing(code: string, what: string, from: string | number | undefined, to: string | number | undefined): Refusal | undefined {
  if (from === undefined || to === undefined || from === to) return undefined
  return { code, message: `the ${what} is ${to}, the pod runs on ${from}`, remedy: `choose a node with ${what} ${from}` }
}

/** While agents are being updated. */
function otherProtocol(from: NodeMigrationCapacityStatus, to: NodeMigrationCapacityStatus): Refusal | undefined {
  const [here, there] = [from, to].map(({ peerProtocol = 1 }) => peerProtocol)
  if (here === there) return undefined
  return {
    code: 'AgentProtocol',
    message: `its agent speaks protocol ${there} with other agents, the one of the pod's node ${here}`,
    remedy: 'wait until the agents of both nodes are of one version',
  }
}

function older(
  code: string,
  what: string,
  from: NodeMigrationCapacityStatus,
  to: NodeMigrationCapacityStatus,
  field: 'kernel' | 'criuVersion',
): Refusal | undefined {
  const fromMajor = majorOf(from[field])
  const toMajor = majorOf(to[field])
  if (fromMajor === undefined || toMajor === undefined || toMajor >= fromMajor) return undefined
  return {
    code,
    message: `${what} ${to[field]} is older than ${from[field]}, on which the pod runs`,
    remedy: `upgrade the ${what} of the node to ${fromMajor} or newer`,
  }
}

function majorOf(text: string | undefined): number | undefined {
  const digits = /\d+/.exec(text ?? '')?.[0]
  return digits === undefined ? undefined : Number(digits)
}

/** Programs look at the CPU once, when they start: every feature they may have found must exist on the destination. */
function missingFeatures(source: NodeFacts, destination: NodeFacts): Refusal | undefined {
  if (destination.capacity?.status?.cpuFeatures === undefined) return undefined
  const missing: string[] = []
  for (const feature of source.cpuFeatures) if (!destination.cpuFeatures.has(feature)) missing.push(feature)
  if (missing.length === 0) return undefined
  const shown = missing.slice(0, 8).join(', ')
  return {
    code: 'CpuFeatures',
    message: `its CPU lacks ${missing.length} features that the programs may use: ${shown}${missing.length > 8 ? ' …' : ''}`,
    remedy: 'choose a node with the same or a newer CPU',
  }
}
