// The agent's main: installs on its node, recovers what an earlier life left open, then serves.
import { rmSync } from 'node:fs'
import type { NodeMigrationCapacityStatus } from '../api/node-migration-capacity.ts'
import { KubeClient } from '../kube/client.ts'
import { realClock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { collectProcessMetrics, journalInDoubt } from '../runtime/metrics.ts'
import { shutdownSignal } from '../runtime/shutdown.ts'
import { publishCapacity } from './capacity.ts'
import { Checkpoints, checkpointPorts } from './checkpoint/checkpoints.ts'
import { compileRarely } from './compiler.ts'
import { type AgentConfig, readConfig } from './config.ts'
import type { AgentContext } from './context.ts'
import { install, observeCapacity, uninstall } from './install/install.ts'
import { DiskFiles } from './journal/disk-files.ts'
import { Journal } from './journal/journal.ts'
import { readLease } from './memory/node-lease.ts'
import { Moves } from './moves.ts'
import { createPodNetwork } from './network/pod-network.ts'
import { Peers } from './peer/client.ts'
import { review, takePriority } from './priority.ts'
import { Registry } from './registry.ts'
import { runOnHost } from './run.ts'
import { serveAgent, serveMetrics } from './server/app.ts'
import { createPodStorage } from './storage/pod-storage.ts'
import { sweepByHand } from './sweep/by-hand.ts'

const sweepEveryMs = 60_000

async function main(): Promise<void> {
  const config = readConfig(process.env)
  if (process.argv[2] === 'sweep') return console.log(await sweepByHand(config, process.argv.includes('--dry-run')))
  const signal = shutdownSignal()
  compileRarely()
  collectProcessMetrics()
  takePriority(config)
  if (process.env.PODMOTION_UNINSTALL === 'true') return await takeOff(config, signal)

  const context = createContext(config)
  const registry = new Registry(context)
  let ready = false
  await serveMetrics(config.metricsPort, registry, () => ready, signal)
  await install(config)
  // Open moves before anything else is asked of this node: a frozen pod waits.
  await registry.recover()
  review(context.moves)
  await context.network
    .sweep(context.moves.openUids(), false)
    .catch((error: unknown) => log.error({ err: error }, 'sweeping the network failed'))
  const observe = async (): Promise<NodeMigrationCapacityStatus> => await observed(config, registry)
  await serveAgent({ context, registry, observe }, signal)
  await warmCriu(config)
  ready = true
  const publisher = { client: KubeClient.fromDefault(), clock: realClock, nodeName: config.nodeName, observe }
  await Promise.all([publishCapacity(publisher, signal), sweepNowAndThen(registry, signal)])
  context.peers.close()
}

function createContext(config: AgentConfig): AgentContext {
  // Sockets and daemons' configurations of moves that an earlier life was in the middle of.
  for (const folder of ['transport', 'rsync']) rmSync(`${config.runDir}/${folder}`, { recursive: true, force: true })
  const client = KubeClient.fromDefault()
  const moves = new Moves(new Journal(new DiskFiles(`${config.stateDir}/journal`)), config.nodeName)
  return {
    config,
    moves,
    peers: new Peers(config.tlsDir),
    network: createPodNetwork(config),
    storage: createPodStorage(config),
    checkpoints: new Checkpoints(config, checkpointPorts(config, moves)),
    lease: async (nodeName) => await readLease(client, nodeName),
  }
}

async function observed(config: AgentConfig, registry: Registry): Promise<NodeMigrationCapacityStatus> {
  const inDoubt = registry.inDoubt()
  journalInDoubt.set(inDoubt)
  return { ...(await observeCapacity(config)), inFlight: registry.inFlight(), journalInDoubt: inDoubt }
}

/** criu probes the kernel once and keeps what it found; without that the first move pays for it inside its freeze. */
async function warmCriu(config: AgentConfig): Promise<void> {
  try {
    await runOnHost(`${config.optDir}/libexec/criu`, ['check'], { reject: false })
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'criu check failed')
  }
}

async function sweepNowAndThen(registry: Registry, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await registry.sweep().catch((error: unknown) => log.warn({ reason: messageOf(error) }, 'sweeping failed'))
    await realClock.sleep(sweepEveryMs, signal)
  }
}

/** uninstall.enabled=true: everything off the node, then nothing until the DaemonSet goes. */
async function takeOff(config: AgentConfig, signal: AbortSignal): Promise<void> {
  await uninstall(config)
  log.info({ node: config.nodeName }, 'taken off this node')
  while (!signal.aborted) await realClock.sleep(sweepEveryMs, signal)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    log.fatal({ err: error }, 'the agent ended')
    process.exit(1)
  },
)
