// Golden transcripts of whole moves (*.txt beside this file); `npm run transcripts -- --rewrite` writes them anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'chai'
import { makeMigration, makePod, terminating, World } from '../migrator/world.ts'
import { type Happening, play } from './play.ts'

const folder = new URL('./', import.meta.url)

function inPhase(phase: string): Happening['when'] {
  return (world) => world.migration.status?.phase === phase
}

function hasStep(step: string): Happening['when'] {
  return (world) => world.migration.status?.timeline?.some((entry) => entry.step === step) ?? false
}

const cancel: Happening['then'] = (world) => {
  world.migration = { ...world.migration, metadata: { ...world.migration.metadata, deletionTimestamp: '2026-01-01T00:00:05Z' } }
}

const moves: Record<string, () => string> = {
  'pre-copy': () => play(new World()),
  cold: () => play(new World(makeMigration({ mode: 'Cold', tcpPreservationMode: 'None' }))),
  'bare-pod': () => {
    const world = new World()
    world.source = makePod({ metadata: { ownerReferences: [] } })
    return play(world)
  },
  'dry-run': () => play(new World(makeMigration({ dryRun: true }))),
  refused: () => {
    const world = new World(makeMigration({ storageStrategy: 'SnapshotClone', targetNodeName: 'nz' }))
    world.source = makePod({
      spec: { runtimeClassName: undefined, hostNetwork: true, volumes: [{ name: 'disk', hostPath: { path: '/data' } }] },
    })
    return play(world)
  },
  'cancelled-before-the-move': () =>
    play(new World(), [{ when: inPhase('DestinationPrewarm'), what: 'the PodMigration is deleted', then: cancel }]),
  'cancelled-after-the-grant': () => play(new World(), [{ when: hasStep('granted'), what: 'the PodMigration is deleted', then: cancel }]),
  'dump-fails': () => {
    const world = new World()
    world.trouble = { failAt: 'dumped' }
    return play(world)
  },
  'destination-gone-after-the-grant': () => {
    const world = new World()
    world.trouble = { silentAfterGrant: true }
    const gone: Happening['then'] = (at) => {
      at.nodes = at.nodes.filter((node) => node.metadata?.name !== 'nb')
      at.destination = undefined
    }
    return play(world, [{ when: (at) => at.migration.status?.nextStep !== undefined, what: 'node nb is deleted', then: gone }])
  },
  'resolved-by-a-person-after-the-grant': () => {
    const world = new World()
    world.trouble = { silentAfterGrant: true }
    const resolve: Happening['then'] = (at) => {
      at.migration = {
        ...at.migration,
        metadata: { ...at.migration.metadata, annotations: { 'podmotion.io/resolved': 'destinationGone' } },
      }
      at.destination = undefined
    }
    return play(world, [
      { when: (at) => at.migration.status?.nextStep !== undefined, what: 'a person says that nb is gone for good', then: resolve },
    ])
  },
  'source-deleted-during-prewarm': () => {
    const remove: Happening['then'] = (world) => {
      world.source = world.source && terminating(world.source)
    }
    return play(new World(), [{ when: inPhase('DestinationPrewarm'), what: 'somebody deletes the source pod', then: remove }])
  },
  'unready-sibling': () => {
    const world = new World()
    world.siblings = [
      makePod({ metadata: { name: 'cart-8', uid: 'sibling' }, status: { conditions: [{ type: 'Ready', status: 'False' }] } }),
    ]
    return play(world)
  },
  'timed-out': () => {
    const world = new World(makeMigration({ completionTimeoutSeconds: 30 }))
    world.live = () => undefined
    return play(world)
  },
}

describe('transcripts of whole moves', () => {
  for (const [name, run] of Object.entries(moves)) {
    it(name, () => {
      const file = new URL(`${name}.txt`, folder)
      const told = run()
      if (process.argv.includes('--rewrite')) writeFileSync(file, told)
      expect(told).to.equal(readFileSync(file, 'utf8'))
    })
  }
})
