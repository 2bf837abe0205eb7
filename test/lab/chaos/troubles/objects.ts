// People: they delete pods and migrations in the middle of a move, and ask for the same move twice.
import { said } from '../../said.ts'
import type { Scene, Struck, Trouble } from '../scene.ts'

export const objectTroubles: Trouble[] = [
  { name: 'the destination pod is deleted', strike: deleteDestination },
  { name: 'the source pod is deleted', strike: deleteSource },
  { name: 'the migration is deleted', strike: deleteMigration },
  { name: 'a second migration of the pod', strike: migrateTwice },
]

async function deleteDestination({ world, uid }: Scene): Promise<Struck> {
  const { stdout: name } = await world.kubectl(
    'get',
    'pods',
    '-l',
    `podmotion.io/migration-uid=${uid}`,
    '-o',
    'jsonpath={.items[*].metadata.name}',
  )
  if (!name) return { text: 'there is no destination pod' }
  return { text: (await world.kubectl('delete', 'pod', name, '--wait=false')).all, deleted: 'destination' }
}

async function deleteSource({ world, pod }: Scene): Promise<Struck> {
  return { text: (await world.kubectl('delete', 'pod', pod.metadata?.name ?? '', '--wait=false')).all, deleted: 'source' }
}

async function deleteMigration({ world, name }: Scene): Promise<Struck> {
  return { text: (await world.kubectl('delete', 'podmigration', name, '--wait=false')).all }
}

/** To another node: it has to be refused, or to wait and then find that the pod has left. */
async function migrateTwice({ world, pod, source, destination }: Scene): Promise<Struck> {
  const target = world.lab.nodes.find(({ name }) => name !== source.name && name !== destination.name)
  const second = world.migration({ podName: pod.metadata?.name, ...(target ? { targetNodeName: target.name } : {}) })
  const applied = await said(world.lab.kubectl(['create', '-f', '-'], { input: JSON.stringify(second), reject: false, all: true }))
  const undo = async (): Promise<void> => {
    if (applied.exitCode === 0) await world.ended(second.metadata.name)
  }
  return { text: applied.all, undo }
}
