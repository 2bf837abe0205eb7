// Feeds the index from the caches, change by change, and says when all of them have been read once.
import type { ControllerDeps } from '../controller-deps.ts'
import { reservations } from '../runtime/metrics.ts'
import { ClusterIndex } from './cluster-index.ts'
import { podKey } from './requests.ts'
import { migrationKey } from './reservations.ts'

export interface WatchedIndex {
  index: ClusterIndex
  ready(): boolean
}

export function watchIndex(caches: ControllerDeps['caches']): WatchedIndex {
  const index = new ClusterIndex()
  const { nodes, pods, capacities, migrations } = caches
  for (const node of nodes.list()) index.setNode(node)
  for (const pod of pods.list()) index.setPod(pod)
  for (const capacity of capacities.list()) index.setCapacity(capacity)
  for (const migration of migrations.list()) index.moves.set(migration)
  nodes.onChange(({ type, object }) => (type === 'deleted' ? index.deleteNode(object.metadata?.name ?? '') : index.setNode(object)))
  pods.onChange(({ type, object }) => (type === 'deleted' ? index.deletePod(podKey(object)) : index.setPod(object)))
  capacities.onChange(({ type, object }) => (type === 'deleted' ? index.deleteCapacity(object.spec.nodeName) : index.setCapacity(object)))
  migrations.onChange(({ type, object }) => {
    const before = index.moves.migration(migrationKey(object))?.reservation?.nodeName
    if (type === 'deleted') index.moves.delete(migrationKey(object))
    else index.moves.set(object)
    for (const node of new Set([before, object.status?.reservation?.nodeName]))
      if (node) reservations.set({ node }, index.moves.reservationsOn(node))
  })
  return { index, ready: () => nodes.synced && pods.synced && capacities.synced && migrations.synced }
}
