// One act of the demo: PostgreSQL on a node, pgbench on it through its Service, an unmodified kubectl drain of the node, and what came of it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import type { Lab } from '../lab.ts'
import { said } from '../said.ts'
import { BenchClient, failures, initializePgbench } from '../workloads/bench-client.ts'
import { ratePerSlice, worstGapMs } from '../workloads/pgbench.ts'
import { postgresManifests } from '../workloads/postgres.ts'
import { freezePicture, say, strip } from './show.ts'

export interface DrainOptions {
  name: string
  movable: boolean
  seconds: number
}

export interface DrainOutcome {
  drainExitCode: number
  podsMoved: number
  freezeMs: number | undefined
  worstGapMs: number
  transactions: number
  failed: number
}

const namespace = 'default'
const phaseColumns = 'jsonpath={.metadata.name}  {.status.phase}  {.status.message}{"\\n"}'

export async function drainUnderLoad(lab: Lab, options: DrainOptions): Promise<DrainOutcome> {
  const { address, nodeName } = await deploy(lab, options)
  say(`PostgreSQL runs on ${nodeName}; pgbench -c 8 -j 8 reaches it through its Service at ${address}`)
  const bench = await BenchClient.start(lab, { address, seconds: options.seconds, logFolder: `/tmp/pgbench-${options.name}` })
  const view = watchIt(lab, bench)
  await sleep(6000)
  say(`kubectl drain ${nodeName}`)
  const drainArgs = ['drain', nodeName, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=120s']
  const drain = await said(lab.kubectl(drainArgs, { reject: false, all: true }))
  say(`kubectl drain ended with ${drain.exitCode}`)
  if (drain.exitCode !== 0) console.log(drain.all)
  const result = await bench.finish()
  await view.stop()
  const outcome = judge(result, drain.exitCode, await migrations(lab))
  await cleanUp(lab, options.name, nodeName)
  return outcome
}

async function deploy(lab: Lab, options: DrainOptions): Promise<{ address: string; nodeName: string }> {
  const { name, movable } = options
  await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(postgresManifests({ name, namespace, movable, nodeName: 'node-1' })) })
  await lab.kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=90s'])
  const address = (await said(lab.kubectl(['get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}']))).stdout
  const nodeName = (await said(lab.kubectl(['get', 'pods', '-l', `app=${name}`, '-o', 'jsonpath={.items[0].spec.nodeName}']))).stdout
  await initializePgbench(lab, address)
  return { address, nodeName }
}

async function migrations(lab: Lab): Promise<PodMigration[]> {
  const { stdout } = await said(lab.kubectl(['get', 'podmigrations', '-n', namespace, '-o', 'json'], { reject: false }))
  return stdout ? JSON.parse(stdout).items : []
}

/** Prints the live view until stopped: how fast the clients go, and each phase of the migration as it is written. */
function watchIt(lab: Lab, bench: BenchClient): { stop(): Promise<void> } {
  const phases = lab.kubectl(['get', 'podmigrations', '-n', namespace, '--watch', '-o', phaseColumns], { reject: false })
  const showPhases = (async () => {
    for await (const line of phases) say(String(line))
  })()
  const showRates = (async () => {
    for await (const rate of bench.rates()) strip(rate)
  })()
  return {
    async stop() {
      phases.kill()
      await Promise.all([showPhases, showRates])
    },
  }
}

function judge(result: Awaited<ReturnType<BenchClient['finish']>>, drainExitCode: number, found: readonly PodMigration[]): DrainOutcome {
  const complete = found.filter((one) => one.status?.phase === 'Complete')
  const frozenAt = complete[0]?.status?.timeline?.find((step) => step.step === 'frozen')?.at
  if (frozenAt) {
    const fromMs = Date.parse(frozenAt) - 1000
    say(freezePicture(ratePerSlice(result.transactionsLog, fromMs, fromMs + 2500, 50), 50))
  }
  return {
    drainExitCode,
    podsMoved: complete.length,
    freezeMs: complete[0]?.status?.freeze?.freezeMs === undefined ? undefined : Math.round(complete[0].status.freeze.freezeMs),
    worstGapMs: worstGapMs(result.transactionsLog),
    transactions: result.transactions,
    failed: failures(result),
  }
}

async function cleanUp(lab: Lab, name: string, nodeName: string): Promise<void> {
  await lab.kubectl(['uncordon', nodeName])
  await lab.kubectl(['delete', `deployment/${name}`, `service/${name}`, '--wait=true', '--timeout=60s'], { reject: false })
  await lab.kubectl(['delete', 'podmigrations', '--all', '-n', namespace, '--timeout=60s'], { reject: false })
}
