// Which nodes can take part, as metrics: followed from the capacities that the agents write.
import type { NodeMigrationCapacity } from './api/node-migration-capacity.ts'
import type { ControllerCaches } from './controller-deps.ts'
import { nodeEligible, nodeIneligible } from './runtime/metrics.ts'

export function countNodes({ capacities }: Pick<ControllerCaches, 'capacities'>): void {
  const reported = new Map<string, string[]>()
  const forget = (node: string) => {
    for (const reason of reported.get(node) ?? []) nodeIneligible.remove({ node, reason })
    reported.delete(node)
    nodeEligible.remove({ node })
  }
  capacities.onChange(({ type, object }) => {
    forget(object.metadata.name)
    if (type !== 'deleted') reported.set(object.metadata.name, report(object))
  })
}

function report({ metadata, status }: NodeMigrationCapacity): string[] {
  const node = metadata.name
  const reasons = [...new Set((status?.reasons ?? []).map(({ code }) => code))]
  nodeEligible.set({ node }, status?.eligible ? 1 : 0)
  for (const reason of reasons) nodeIneligible.set({ node, reason }, 1)
  return reasons
}
