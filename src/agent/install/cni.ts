// Our CNI plugin on the node: its binary where containerd looks, its place in the chain, and both kept there.
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Refusal } from '../../api/pod-migration.ts'
import type { AgentConfig } from '../config.ts'
import { chained, chosenConfiguration, isChained, pluginName, sameConfiguration, unchained } from './cni-chain.ts'
import type { ContainerdSettings } from './containerd-dump.ts'
import { readText, removeFile, writeIfDifferent } from './host-files.ts'

const defaultBinaryFolders = ['/opt/cni/bin', '/usr/lib/cni']
const defaultConfigurationFolder = '/etc/cni/net.d'

export interface CniPlaces {
  binaryFolder: string
  configurationFolder: string
}

/** Folders as the host names them. */
export function cniPlaces(settings: ContainerdSettings | undefined): CniPlaces {
  return {
    binaryFolder: settings?.cniBinaryFolders[0] ?? defaultBinaryFolders[0] ?? '',
    configurationFolder: settings?.cniConfigurationFolder || defaultConfigurationFolder,
  }
}

/** The binary first: a chain that names an absent plugin fails every pod of the node. */
export async function installCni(config: AgentConfig, places: CniPlaces): Promise<Refusal | undefined> {
  const binary = await readFile(path.join(config.nativeDir, pluginName))
  await writeIfDifferent(path.join(config.hostRoot, places.binaryFolder, pluginName), binary, 0o755)
  return await keepChained(config, places)
}

/** Also called again and again: network add-ons rewrite their file when they restart. */
export async function keepChained(config: AgentConfig, places: CniPlaces): Promise<Refusal | undefined> {
  const found = await findConfiguration(config, places)
  if (!found) return noConfiguration(places)
  const { file, name, text } = found
  if (isLast(text)) return undefined
  const wanted = chained(text)
  if (wanted === undefined) return notChainable(path.join(places.configurationFolder, name))
  if (!isChained(text)) await writeIfDifferent(originalFile(config, name), text, 0o600)
  await writeIfDifferent(file, wanted, 0o600)
  return undefined
}

/** The chain first, the binary last. Every file is looked at: ours may no longer be the first. */
export async function uninstallCni(config: AgentConfig, places: CniPlaces): Promise<void> {
  const folder = path.join(config.hostRoot, places.configurationFolder)
  for (const name of await readdir(folder).catch(() => [])) await unchainFile(config, path.join(folder, name), name)
  for (const binaryFolder of new Set([places.binaryFolder, ...defaultBinaryFolders])) {
    await removeFile(path.join(config.hostRoot, binaryFolder, pluginName))
  }
}

async function unchainFile(config: AgentConfig, file: string, name: string): Promise<void> {
  const text = await readText(file).catch(() => undefined)
  if (text === undefined || !isChained(text)) return
  const without = unchained(text) ?? text
  const original = await readText(originalFile(config, name))
  await writeIfDifferent(file, original !== undefined && sameConfiguration(original, without) ? original : without, 0o600)
  await removeFile(originalFile(config, name))
}

async function findConfiguration(
  config: AgentConfig,
  places: CniPlaces,
): Promise<{ file: string; name: string; text: string } | undefined> {
  const folder = path.join(config.hostRoot, places.configurationFolder)
  const name = chosenConfiguration(await readdir(folder).catch(() => []))
  if (name === undefined) return undefined
  const file = path.join(folder, name)
  const text = await readText(file)
  return text === undefined ? undefined : { file, name, text }
}

function isLast(text: string): boolean {
  const wanted = chained(text)
  return wanted !== undefined && sameConfiguration(text, wanted)
}

/** As it was before us, so that uninstall gives back the very bytes if nobody changed it since. */
function originalFile(config: AgentConfig, name: string): string {
  return path.join(config.stateDir, 'install', 'cni', name)
}

function noConfiguration(places: CniPlaces): Refusal {
  return {
    code: 'CniNotConfigured',
    message: `looking for the node's CNI configuration: ${places.configurationFolder} has none`,
    remedy: 'install a network add-on whose pods are attached by veth pairs',
  }
}

function notChainable(file: string): Refusal {
  return {
    code: 'CniNotChainable',
    message: `adding ${pluginName} to ${file}: it is no configuration list with "plugins"`,
    remedy: `turn it into a .conflist and add {"type": "${pluginName}"} as the last plugin`,
  }
}
