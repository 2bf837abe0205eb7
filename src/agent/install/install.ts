// Puts podmotion on the node and takes it off again; says what the node can do and every reason why it cannot take part.
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { NodeMigrationCapacityStatus } from '../../api/node-migration-capacity.ts'
import { migrationModes, type Refusal } from '../../api/pod-migration.ts'
import { isIpv6 } from '../../runtime/addresses.ts'
import { log } from '../../runtime/log.ts'
import { type CheckpointPlace, checkpointsFolder, keepingFolder } from '../checkpoint/places.ts'
import type { AgentConfig } from '../config.ts'
import { keepNodeSettings, restoreNodeNetwork } from '../network/node-settings.ts'
import { peerProtocol } from '../peer/wire.ts'
import { sweepTraces } from '../sweep/traces.ts'
import { allowBirths, endBirths } from './births.ts'
import { type NodeFacts, reasonsAgainst, warningsAbout } from './checks.ts'
import { type CniPlaces, cniPlaces, installCni, keepChained, uninstallCni } from './cni.ts'
import { dumpConfiguration, installRuntime, uninstallRuntime } from './containerd.ts'
import { gatherFacts } from './node-facts.ts'
import { installPrograms, uninstallPrograms } from './programs.ts'

/** Network add-ons rewrite their configuration when they restart. */
const chainLookEveryMs = 60_000
/** Versions hardly change, and asking starts half a dozen programs, criu's own checks among them. */
const factsKeptMs = 300_000

/** What the last install could not do, by step. */
const failures = new Map<string, Refusal>()
let facts: { atMs: number; value: Promise<NodeFacts> } | undefined
let chainTimer: NodeJS.Timeout | undefined

/** A step that fails is a reason of the node, not the end of the agent: open migrations must still be served. */
export async function install(config: AgentConfig): Promise<void> {
  failures.clear()
  await step('programs', () => installPrograms(config).then(() => undefined))
  await step('settings', () => keepNodeSettings(config).then(() => undefined))
  const places = cniPlaces((await dumpConfiguration(config).catch(() => undefined))?.settings)
  await step('cni', () => installCni(config, places))
  // Last: from here pods may be started by the wrapper, which needs all of the above.
  if (!failures.has('programs')) await step('runtime', () => installRuntime(config))
  await step('births', () => (failures.size === 0 ? allowBirths(config) : endBirths(config)).then(() => undefined))
  facts = undefined
  watchChain(config, places)
}

/** In reverse order: nothing may refer to what is gone. */
export async function uninstall(config: AgentConfig): Promise<void> {
  clearInterval(chainTimer)
  await endBirths(config)
  const places = cniPlaces((await dumpConfiguration(config).catch(() => undefined))?.settings)
  await uninstallRuntime(config)
  await uninstallCni(config, places)
  await restoreNodeNetwork(config)
  await uninstallCheckpoints(config)
  await sweepTraces(config.helper, false)
  await uninstallPrograms(config)
  await rm(path.join(config.stateDir, 'install'), { recursive: true, force: true })
}

/** They hold the memory of pods: nobody would look after them any more. */
export async function uninstallCheckpoints(config: CheckpointPlace): Promise<void> {
  for (const folder of [checkpointsFolder(config), keepingFolder(config)]) await rm(folder, { recursive: true, force: true })
}

export async function observeCapacity(config: AgentConfig): Promise<NodeMigrationCapacityStatus> {
  const known = await keptFacts(config)
  const reasons = [...reasonsAgainst(known), ...failures.values()]
  return {
    eligible: reasons.length === 0,
    reasons,
    warnings: warningsAbout(known),
    agentVersion: config.version,
    peerProtocol,
    agentAddress: isIpv6(config.nodeIp) ? `[${config.nodeIp}]:${config.agentPort}` : `${config.nodeIp}:${config.agentPort}`,
    nodeIp: config.nodeIp,
    kernel: known.kernel,
    architecture: known.architecture,
    ...(known.criu === undefined ? {} : { criuVersion: known.criu }),
    ...(known.runc === undefined ? {} : { runcVersion: known.runc }),
    ...(known.containerd === undefined ? {} : { containerdVersion: known.containerd }),
    cgroupVersion: known.cgroupVersion,
    cpuModel: known.cpuModel,
    cpuFeatures: known.cpuFeatures,
    modes: [...migrationModes],
    trackers: [...(known.softDirty ? ['soft-dirty'] : []), ...(known.userfaultfd ? ['userfaultfd'] : [])],
  }
}

function keptFacts(config: AgentConfig): Promise<NodeFacts> {
  if (!facts || performance.now() - facts.atMs > factsKeptMs) facts = { atMs: performance.now(), value: gatherFacts(config) }
  return facts.value
}

async function step(name: string, work: () => Promise<Refusal | undefined>): Promise<void> {
  const refusal = await work().catch((error: unknown) => {
    log.error({ err: error, step: name }, 'an install step failed')
    return failed(name, error)
  })
  if (refusal) failures.set(name, refusal)
  else failures.delete(name)
}

function failed(name: string, error: unknown): Refusal {
  const message = `installing on the node (${name}): ${error instanceof Error ? error.message : String(error)}`
  return { code: 'InstallFailed', message, remedy: "see the agent's log; it tries again when it restarts" }
}

function watchChain(config: AgentConfig, places: CniPlaces): void {
  clearInterval(chainTimer)
  chainTimer = setInterval(() => void step('cni', () => keepChained(config, places)), chainLookEveryMs).unref()
}
