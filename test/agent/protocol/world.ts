// A source and a destination with a bad wire between them: records survive a crash, what was not yet done does not.
import { type DestinationAction, type DestinationMessage, decideDestination, outcomeOf } from '../../../src/agent/protocol/destination.ts'
import { type DestinationMove, foldAll, type JournalRecord, type SourceMove } from '../../../src/agent/protocol/move.ts'
import { decideSource, type SourceAction, type SourceMessage } from '../../../src/agent/protocol/source.ts'
import { destinationOpened, sourceOpened, uid } from '../samples.ts'

export const events = [
  'sourceProceeds',
  'sourceActs',
  'destinationProceeds',
  'destinationActs',
  'grantArrives',
  'grantIsLost',
  'grantArrivesAgain',
  'outcomeIsAsked',
  'outcomeAnswerIsLost',
  'sourceFails',
  'sourceIsAborted',
  'destinationIsAborted',
  'destinationFails',
  'deadlinePasses',
  'sourceCrashes',
  'destinationCrashes',
  'timePasses',
  'controllerFinishes',
  'controllerGivesUp',
] as const
export type WorldEvent = (typeof events)[number]

const grantDeadlineMs = 100

export class World {
  nowMs = 1000
  sourceRecords: JournalRecord[] = [sourceOpened]
  destinationRecords: JournalRecord[] = [destinationOpened]
  sourceTodo: SourceAction[] = []
  destinationTodo: DestinationAction[] = []
  grants = 0
  heldAtMs: number | undefined
  // What the processes really do.
  sourceFrozen = false
  sourceEnded = false
  destinationRuns = false
  destinationDiscarded = false

  get source(): SourceMove {
    return foldAll(uid, this.sourceRecords) as SourceMove
  }

  get destination(): DestinationMove {
    return foldAll(uid, this.destinationRecords) as DestinationMove
  }

  get sourceRuns(): boolean {
    return !this.sourceFrozen && !this.sourceEnded
  }

  tellSource(message: SourceMessage): void {
    const { records, actions } = decideSource(this.source, message, this.nowMs)
    this.sourceRecords.push(...records)
    this.sourceTodo.push(...actions)
  }

  tellDestination(message: DestinationMessage): void {
    const { records, actions } = decideDestination(this.destination, message, this.nowMs)
    this.destinationRecords.push(...records)
    this.destinationTodo.push(...actions)
  }

  happen(event: WorldEvent): void {
    this.nowMs += 1
    handlers[event](this)
  }

  /** Everything that is still to come comes, and the wire is good. */
  comeToRest(): void {
    this.happen('sourceCrashes')
    this.happen('destinationCrashes')
    for (let round = 0; round < 10; round++) {
      while (this.sourceTodo.length > 0) this.happen('sourceActs')
      while (this.destinationTodo.length > 0) this.happen('destinationActs')
      if (this.source.state === 'granted') this.happen('outcomeIsAsked')
    }
  }
}

function actSource(world: World): void {
  const action = world.sourceTodo.shift()
  if (action === 'freeze') world.sourceFrozen = true
  if (action === 'sendGrant') world.grants += 1
  if (action === 'rollBack') world.sourceFrozen = false
  if (action === 'endSource') world.sourceEnded = true
}

function actDestination(world: World): void {
  const action = world.destinationTodo.shift()
  if (action === 'awaitGrant') world.heldAtMs = world.nowMs
  if (action === 'giveUp') world.destinationDiscarded = true
  if (action !== 'release') return
  world.destinationRuns = true
  world.tellDestination({ type: 'live' })
}

/** The next thing a good move does. */
function proceedSource(world: World): void {
  const { state } = world.source
  if (state === 'preparing') world.tellSource({ type: 'proceed', to: 'moving' })
  if (state === 'moving') world.tellSource({ type: 'freeze' })
  if (state === 'frozen' && world.sourceFrozen && world.destination.state === 'held')
    world.tellSource({ type: 'verified', frozenAtMs: world.nowMs - 10, budgetMs: 50 })
}

function proceedDestination(world: World): void {
  const { state } = world.destination
  if (state === 'awaiting') world.tellDestination({ type: 'standing' })
  if (state === 'standing') world.tellDestination({ type: 'hold' })
  if (state === 'holding') world.tellDestination({ type: 'restore' })
  if (state === 'restoring' && world.sourceFrozen) world.tellDestination({ type: 'held' })
}

function arriveGrant(world: World): void {
  world.tellDestination({ type: 'grant', heldAtMs: world.heldAtMs, deadlineMs: grantDeadlineMs })
}

function askOutcome(world: World, answered: boolean): void {
  if (world.source.state !== 'granted') return
  world.tellDestination({ type: 'outcomeAsked' })
  const outcome = outcomeOf(world.destination)
  if (answered && outcome !== 'open') world.tellSource({ type: 'outcome', outcome })
}

const failure = { code: 'Test', message: 'a failure' }

const handlers: Record<WorldEvent, (world: World) => void> = {
  sourceProceeds: proceedSource,
  sourceActs: actSource,
  destinationProceeds: proceedDestination,
  destinationActs: actDestination,
  grantArrives: (world) => {
    if (world.grants > 0) arriveGrant(world)
    world.grants = Math.max(0, world.grants - 1)
  },
  grantIsLost: (world) => {
    world.grants = 0
  },
  grantArrivesAgain: (world) => {
    if (world.grants > 0) arriveGrant(world)
  },
  outcomeIsAsked: (world) => askOutcome(world, true),
  outcomeAnswerIsLost: (world) => askOutcome(world, false),
  sourceFails: (world) => world.tellSource({ type: 'failed', failure }),
  sourceIsAborted: (world) => world.tellSource({ type: 'abort', reason: 'test' }),
  destinationIsAborted: (world) => world.tellDestination({ type: 'abort', reason: 'test' }),
  destinationFails: (world) => world.tellDestination({ type: 'failed', failure }),
  deadlinePasses: (world) => world.tellDestination({ type: 'deadlinePassed' }),
  sourceCrashes: (world) => {
    world.sourceTodo = []
    world.tellSource({ type: 'restarted' })
  },
  destinationCrashes: (world) => {
    world.destinationTodo = []
    world.heldAtMs = undefined
    world.tellDestination({ type: 'restarted' })
  },
  timePasses: (world) => {
    world.nowMs += 60
  },
  // As the controller does it: only after it saw both ends say so.
  controllerFinishes: (world) => {
    if (world.destination.state !== 'live') return
    world.tellSource({ type: 'finish', outcome: 'committed' })
  },
  controllerGivesUp: (world) => {
    world.tellSource({ type: 'finish', outcome: 'aborted' })
    if (world.source.state === 'finished') world.tellDestination({ type: 'finish', outcome: 'aborted' })
  },
}
