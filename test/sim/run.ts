// One run: the world is built, the plan happens, faults end, and everything has to come to rest.

import type { Rules } from '../../src/agent/moves.ts'
import { MigrationPolicySpec } from '../../src/api/migration-policy.ts'
import { MigrationWebhookConfigSpec } from '../../src/api/migration-webhook-config.ts'
import { labels, runtimeClassName } from '../../src/api/names.ts'
import { isTerminal } from '../../src/api/phases.ts'
import type { Thing } from './api-server.ts'
import { checkAlways, checkAtRest, checkWrite, unrest } from './checkers.ts'
import { Replica } from './controllers.ts'
import { Dice } from './dice.ts'
import { Happenings } from './happenings.ts'
import { Kubelet } from './kubelet.ts'
import { Kubernetes } from './kubernetes.ts'
import { drawPlan, healedAtMs, type Plan } from './plan.ts'
import { migrationCollection, type Violation, World, type Wrong } from './world.ts'

/** Longer than the longest of our own patience with an agent, a kubelet or a node that is away. */
const restWithinMs = 15 * 60 * 1000
/** Until then a node that has just come back may not have said yet that its pods do not run. */
const settlingMs = 5000
const reportEveryMs = 20_000

export interface RunOptions {
  seed: number
  moves: number
  plan?: Plan
  rules?: Partial<Rules>
  wrong?: Wrong
  /** Looks at the world after every event that is told. */
  watch?: (world: World) => void
}

export interface RunResult {
  plan: Plan
  violations: Violation[]
  story: World['story']
  happened: number
  /** How migrations ended, for the report. */
  ends: Record<string, number>
  virtualMs: number
}

export function planFor(seed: number, moves: number): Plan {
  return drawPlan(seed, moves, new Dice(seed).fork('plan'))
}

export async function runSeed({ seed, moves, plan = planFor(seed, moves), rules, wrong, watch }: RunOptions): Promise<RunResult> {
  const world = new World(seed, rules, wrong)
  watchPods(world)
  const replicas = [new Replica(world, 'c0'), new Replica(world, 'c1')]
  const happenings = new Happenings(world, replicas)
  world.server.onWrite((write) => checkWrite(world, write))
  build(world, plan)
  start(world, replicas, happenings)
  happenings.plan(plan)
  world.loop.at(healedAtMs, () => happenings.heal())
  await play(world, happenings, watch)
  return {
    plan,
    violations: world.violations,
    story: world.story,
    happened: world.loop.happened,
    ends: countEnds(world),
    virtualMs: world.loop.nowMs,
  }
}

async function play(world: World, happenings: Happenings, watch?: (world: World) => void): Promise<void> {
  const failed = () => world.violations.length > 0
  let looked = 0
  let rest: string | undefined = 'not looked yet'
  const atRest = () => {
    if (failed()) return true
    if (world.loop.nowMs < healedAtMs + settlingMs || world.loop.nowMs - looked < 1000) return false
    looked = world.loop.nowMs
    resolveInDoubt(world, happenings)
    rest = unrest(world)
    return rest === undefined
  }
  let told = 0
  // Whatever changes a process is told.
  const check = () => {
    if (world.story.length > told) {
      checkAlways(world)
      watch?.(world)
    }
    told = world.story.length
  }
  await world.loop.run(healedAtMs + restWithinMs, check, atRest)
  if (failed()) return
  if (rest !== undefined)
    world.violate('comesToRest', `${Math.round((world.loop.nowMs - healedAtMs) / 1000)} s after the last fault: ${rest}`)
  else checkAtRest(world)
}

/** Nobody can tell any more: after a while a person does, and only of a node that is off for good. */
function resolveInDoubt(world: World, happenings: Happenings): void {
  for (const migration of world.migrations()) {
    const destination = world.nodes.find((node) => node.name === migration.status?.destinationNode)
    const doubt = migration.status?.granted && !migration.status.committedAt && !isTerminal(migration.status.phase)
    if (doubt && destination?.gone && !migration.metadata.annotations?.['podmotion.io/resolved']) happenings.resolve(migration)
  }
}

/** Names and families of everything that is created, and excuses for what others delete. */
function watchPods(world: World): void {
  world.server.onWrite(({ actor, verb, path, before, after }) => {
    if (path.includes('/podmigrations/') && after) {
      world.names.set(after.metadata.uid, after.metadata.name)
      if (before?.status?.phase !== after.status?.phase)
        world.tell(actor, `${after.metadata.name} is ${after.status?.phase}: ${after.status?.message ?? ''}`)
      if (verb === 'create' || verb === 'delete')
        world.tell(actor, `${verb}s PodMigration ${after.metadata.name} of pod ${after.spec.podName}`)
    }
    if (!path.includes('/pods/')) return
    if (verb === 'create' && after) nameFamily(world, after)
    if (verb === 'create' || verb === 'delete' || verb === 'remove') world.tell(actor, `${verb}s pod ${(after ?? before)?.metadata.name}`)
    if ((verb === 'delete' || verb === 'remove') && before && !['c0', 'c1', 'kubelet'].includes(actor)) excuseDeleted(world, before)
  })
}

function nameFamily(world: World, pod: Thing): void {
  world.names.set(pod.metadata.uid, pod.metadata.name)
  const source = pod.metadata.labels?.[labels.sourcePodUid]
  world.families.set(pod.metadata.uid, (source !== undefined && world.families.get(source)) || pod.metadata.uid)
}

/** Deleting a source that has left is no reason for its family to end. */
function excuseDeleted(world: World, pod: Thing): void {
  const left = world.migrations().some((one) => one.status?.sourcePodUID === pod.metadata.uid && world.hasLeft(one.metadata.uid))
  if (left) return
  world.deleted.add(pod.metadata.uid)
  world.excuse(pod.metadata.uid, 'somebody deleted it')
}

function build(world: World, plan: Plan): void {
  const { server } = world
  for (const node of world.nodes) {
    server.create('setup', '/api/v1/nodes', {
      metadata: { name: node.name } as Thing['metadata'],
      spec: { podCIDRs: [`10.${node.number}.0.0/16`] },
      status: { allocatable: { cpu: '2', memory: '4Gi', pods: '20' }, addresses: [{ type: 'InternalIP', address: node.ip }] },
    })
    server.create('setup', '/apis/podmotion.io/v1alpha1/nodemigrationcapacities', {
      metadata: { name: node.name } as Thing['metadata'],
      spec: { nodeName: node.name },
      status: { eligible: true, reasons: [], agentAddress: node.address, nodeIp: node.ip },
    })
  }
  server.create('setup', '/apis/podmotion.io/v1alpha1/migrationwebhookconfigs', {
    metadata: { name: 'all' } as Thing['metadata'],
    spec: MigrationWebhookConfigSpec.parse({ completionTimeoutSeconds: 60 }),
  })
  if (plan.seed % 4 === 0) createPolicy(world)
  createSet(world, plan.replicas)
  createBare(world)
}

function createPolicy({ server }: World): void {
  const strategies = [{ name: 'LowNodeUtilization', lowNodeUtilization: { thresholds: { cpu: 30 }, targetThresholds: { cpu: 60 } } }]
  server.create('setup', '/apis/podmotion.io/v1alpha1/migrationpolicies', {
    metadata: { name: 'spread' } as Thing['metadata'],
    spec: MigrationPolicySpec.parse({ strategies, cooldownSeconds: 60 }),
  })
}

const container = { name: 'main', image: 'cart:1', resources: { requests: { cpu: '500m', memory: '512Mi' } } }

function createSet({ server }: World, replicas: number): void {
  server.create('setup', '/apis/apps/v1/namespaces/shop/replicasets', {
    metadata: { name: 'cart' } as Thing['metadata'],
    spec: {
      replicas,
      selector: { matchLabels: { app: 'cart' } },
      template: {
        metadata: { labels: { app: 'cart' } },
        spec: { runtimeClassName, terminationGracePeriodSeconds: 5, containers: [container] },
      },
    },
  })
}

function createBare({ server }: World): void {
  server.create('setup', '/api/v1/namespaces/shop/pods', {
    metadata: { name: 'lone', labels: { app: 'lone' } } as unknown as Thing['metadata'],
    spec: { runtimeClassName, terminationGracePeriodSeconds: 5, containers: [container] },
  })
}

function start(world: World, replicas: readonly Replica[], happenings: Happenings): void {
  for (const node of world.nodes) {
    const kubelet = new Kubelet(world, node)
    happenings.kubelets.set(node.name, kubelet)
    kubelet.start()
    world.startAgent(node)
  }
  for (const replica of replicas) replica.start()
  const dice = world.dice.fork('extender')
  const answering = () => {
    const alive = replicas.map((replica) => replica.index()).filter((index) => index !== undefined)
    return alive.length > 0 ? dice.pick(alive) : undefined
  }
  new Kubernetes(world, answering).start()
  reportCapacities(world)
}

/** Agents publish what their node can do, over and over. */
function reportCapacities(world: World): void {
  world.loop.after(reportEveryMs, () => {
    for (const { node, life } of world.agents()) {
      const path = `/apis/podmotion.io/v1alpha1/nodemigrationcapacities/${node.name}`
      const observedAt = new Date(life.wallMs()).toISOString()
      if (!world.wire.isCut(node.name, 'api')) world.server.patch(`agent-${node.name}`, `${path}/status`, { status: { observedAt } })
    }
    reportCapacities(world)
  })
}

function countEnds(world: World): Record<string, number> {
  const ends: Record<string, number> = {}
  for (const migration of world.server.all(migrationCollection)) {
    const end = migration.status?.phase ?? 'Pending'
    ends[end] = (ends[end] ?? 0) + 1
  }
  return ends
}
