// doctor: every node, whether it can take part, and every reason why not; exit code 1 when one cannot.
import type { V1Node } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../../api/node-migration-capacity.ts'
import type { Refusal } from '../../api/pod-migration.ts'
import { eligibilityRefusals, freshnessRefusal } from '../../extender/compatibility.ts'
import { isNotFound } from '../../kube/client.ts'
import { nodeMigrationCapacityPath, nodePath } from '../../kube/paths.ts'
import { CodedError } from '../../runtime/errors.ts'
import type { Invocation } from '../invocation.ts'
import { structured, table } from '../output.ts'

interface Finding {
  name: string
  capacity: NodeMigrationCapacity | undefined
  reasons: Refusal[]
  warnings: Refusal[]
}

export async function doctor({ client, terminal, options }: Invocation): Promise<number> {
  const nodes = (await client.list<V1Node>(nodePath())).items
  const capacities = await readCapacities(client)
  const findings = nodes.map((node) => examine(node.metadata?.name ?? '', capacities, terminal.clock.nowMs()))
  terminal.out(structured(findings, options.output) ?? describeFindings(findings))
  return findings.every(({ reasons }) => reasons.length === 0) ? 0 : 1
}

async function readCapacities(client: Invocation['client']): Promise<NodeMigrationCapacity[]> {
  try {
    return (await client.list<NodeMigrationCapacity>(nodeMigrationCapacityPath())).items
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw new CodedError(
      'NotInstalled',
      'Checking nodes: this cluster has no NodeMigrationCapacity resource: install podmotion with Helm first',
    )
  }
}

function examine(name: string, capacities: readonly NodeMigrationCapacity[], nowMs: number): Finding {
  const capacity = capacities.find(({ spec }) => spec.nodeName === name)
  const stale = freshnessRefusal(capacity, nowMs)
  return {
    name,
    capacity,
    reasons: [...eligibilityRefusals(capacity), ...(stale ? [stale] : [])],
    warnings: capacity?.status?.warnings ?? [],
  }
}

function describeFindings(findings: readonly Finding[]): string {
  const rows = findings.map(({ name, capacity, reasons }) => {
    const { kernel, criuVersion, runcVersion, containerdVersion } = capacity?.status ?? {}
    return [name, reasons.length === 0 ? 'yes' : 'no', kernel ?? '', criuVersion ?? '', runcVersion ?? '', containerdVersion ?? '']
  })
  const words = findings.flatMap(({ name, reasons, warnings }) => [
    ...reasons.map((reason) => `${name}: ${describeReason(reason)}`),
    ...warnings.map((warning) => `${name}: warning ${describeReason(warning)}`),
  ])
  return `${table(['NODE', 'ELIGIBLE', 'KERNEL', 'CRIU', 'RUNC', 'CONTAINERD'], rows)}${words.join('')}`
}

function describeReason({ code, message, remedy }: Refusal): string {
  return `${code}: ${message}${remedy ? `\n  ${remedy}` : ''}\n`
}
