// containerd on the node: its effective configuration, our runtime entry in it, and one restart when that changed.

import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Refusal } from '../../api/pod-migration.ts'
import { log } from '../../runtime/log.ts'
import type { AgentConfig } from '../config.ts'
import { runOnHost } from '../run.ts'
import { type ContainerdSettings, foreignChanges, parseDump } from './containerd-dump.ts'
import { containerdCommand } from './containerd-process.ts'
import { readText, removeFile, writeIfDifferent } from './host-files.ts'
import { dropIn, dropInFile, dropInName, runtimeEntry } from './runtime-entry.ts'

const answerTimeoutMs = 60_000
const answerPollMs = 250

export interface Dump {
  text: string
  settings: ContainerdSettings
}

/** What containerd would read now; undefined when it cannot be asked. */
export async function dumpConfiguration(config: AgentConfig): Promise<Dump | undefined> {
  const { command, args } = await containerdCommand()
  const result = await runOnHost(command, [...args, 'config', 'dump'], { reject: false })
  if (result.exitCode !== 0) {
    log.warn({ node: config.nodeName, said: result.stderr.slice(-500) }, 'reading the configuration of containerd failed')
    return undefined
  }
  return { text: result.stdout, settings: parseDump(result.stdout) }
}

/** The runtime `podmotion` as containerd has it must call our wrapper, and let our annotations through. */
export function hasRuntime(settings: ContainerdSettings, config: AgentConfig): boolean {
  return settings.runtimes.podmotion === wrapperOf(config) && settings.podAnnotations.includes('podmotion.io/*')
}

/** Returns why it could not be done. Restarts containerd only when what it reads changed. */
export async function installRuntime(config: AgentConfig): Promise<Refusal | undefined> {
  const before = await dumpConfiguration(config)
  if (!before) return unreadable()
  if (!hasRuntime(before.settings, config)) {
    const refusal = await addDropIn(config, before)
    if (refusal) return refusal
  }
  return (await readText(pendingFile(config))) === undefined ? undefined : await restart(config)
}

async function addDropIn(config: AgentConfig, before: Dump): Promise<Refusal | undefined> {
  const entry = runtimeEntry(wrapperOf(config), before.settings.systemdCgroup)
  const file = dropInFile(before.settings.imports)
  if (file === undefined) return notImported(entry)
  // Noted before it is written: an agent that dies in between still restarts containerd later.
  await writeIfDifferent(pendingFile(config), 'containerd has to read its configuration again\n', 0o600)
  await writeIfDifferent(path.join(config.hostRoot, file), dropIn(wrapperOf(config), before.settings.systemdCgroup), 0o644)
  const after = await dumpConfiguration(config)
  const lost = after ? foreignChanges(before.text, after.text) : ['all']
  if (after && lost.length === 0 && hasRuntime(after.settings, config)) return undefined
  await removeFile(path.join(config.hostRoot, file))
  await removeFile(pendingFile(config))
  return notMerged(file, lost, entry)
}

/** Every drop-in of ours goes; containerd restarts once, if one was there. */
export async function uninstallRuntime(config: AgentConfig): Promise<void> {
  const dump = await dumpConfiguration(config)
  const files = new Set([dropInFile(dump?.settings.imports ?? []), `/etc/containerd/conf.d/${dropInName}`])
  let removed = false
  for (const file of files) if (file !== undefined && (await removeFile(path.join(config.hostRoot, file)))) removed = true
  if (removed) await restart(config)
}

/** Running containers do not notice: their shims go on. */
async function restart(config: AgentConfig): Promise<Refusal | undefined> {
  log.info({ node: config.nodeName }, 'restarting containerd')
  const result = await runOnHost('systemctl', ['restart', 'containerd'], { reject: false, timeoutMs: answerTimeoutMs })
  if (result.exitCode !== 0) return notRestarted(`systemctl exited ${result.exitCode}: ${result.stderr.trim().slice(-300)}`)
  const deadlineMs = performance.now() + answerTimeoutMs
  while (!(await answers())) {
    if (performance.now() > deadlineMs) return notRestarted(`it does not answer after ${answerTimeoutMs / 1000} s`)
    await sleep(answerPollMs)
  }
  await removeFile(pendingFile(config))
  return undefined
}

async function answers(): Promise<boolean> {
  return (await runOnHost('ctr', ['--connect-timeout', '2s', 'version'], { reject: false })).exitCode === 0
}

export function wrapperOf(config: AgentConfig): string {
  return path.join(config.optDir, 'bin', 'podmotion-runc')
}

function pendingFile(config: AgentConfig): string {
  return path.join(config.stateDir, 'install', 'containerd-restart')
}

function unreadable(): Refusal {
  return {
    code: 'ContainerdUnreadable',
    message: 'reading the configuration of containerd: `containerd config dump` failed on the host',
    remedy: 'podmotion needs containerd 2.0 or newer as the container runtime of this node',
  }
}

function notImported(entry: string): Refusal {
  return {
    code: 'RuntimeNotConfigured',
    message: 'adding the runtime podmotion to containerd: its configuration imports no folder of drop-ins',
    remedy: `add imports = ["/etc/containerd/conf.d/*.toml"] at the top of containerd's configuration, or this, and restart it:\n${entry}`,
  }
}

function notMerged(file: string, lost: readonly string[], entry: string): Refusal {
  return {
    code: 'RuntimeNotMerged',
    message: `adding the runtime podmotion to containerd: with ${file} it would change other settings (${lost.slice(0, 5).join(', ') || 'the runtime does not appear'}), so the file was taken away`,
    remedy: `add this to containerd's main configuration and restart it:\n${entry}`,
  }
}

function notRestarted(why: string): Refusal {
  return {
    code: 'ContainerdNotRestarted',
    message: `restarting containerd: ${why}`,
    remedy: 'restart it on the node: systemctl restart containerd',
  }
}
