// The root file systems: a Debian base, and what the nodes, the test application and the agent add to it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDir, labSource } from '../layout.ts'
import { agentPackages, appPackages, nodePackages, parseVersions, tooOld } from './packages.ts'
import { cachedDir, type Step } from './step.ts'

const scripts = join(labSource, 'root-fs')

export type RootDirs = { readonly base: string; readonly node: string; readonly app: string; readonly agent: string }

// One after the other: they share a folder of downloaded packages, which apt locks.
export async function rootFileSystems(): Promise<RootDirs> {
  const base = await cachedDir(await baseStep())
  const lower = join(base, 'fs')
  const node = await cachedDir(await layerStep('node-root', lower, nodePackages))
  const app = await cachedDir(await layerStep('app-root', lower, appPackages))
  const agent = await cachedDir(await layerStep('agent-root', lower, agentPackages))
  await checkVersions(node)
  return { base: lower, node: join(node, 'fs'), app: join(app, 'fs'), agent: join(agent, 'fs') }
}

async function baseStep(): Promise<Step> {
  const script = join(scripts, 'base.sh')
  const mirror = process.env['PODMOTION_DEBIAN_MIRROR']
  return {
    name: 'base-root',
    inputs: [await readFile(script, 'utf8'), mirror ?? ''],
    build: async (out, run) => {
      await run(script, [out, ...(mirror ? [mirror] : [])])
    },
  }
}

async function layerStep(name: string, lower: string, packages: readonly string[]): Promise<Step> {
  const script = join(scripts, 'layer.sh')
  return {
    name,
    lock: 'packages',
    inputs: [await readFile(script, 'utf8'), lower, ...packages],
    build: async (out, run) => {
      const archives = join(cacheDir(), 'packages')
      await run('unshare', ['--mount', '--propagation', 'private', script, out, lower, archives, ...packages])
    },
  }
}

// Debian forky moves: what was found is shown, what cannot work is said before anything fails strangely.
async function checkVersions(node: string): Promise<void> {
  const found = await versionsIn(node)
  const problems = tooOld(found)
  if (problems.length > 0) throw new Error(`Checking Debian's versions: ${problems.join(', ')}`)
}

async function versionsIn(layer: string): Promise<Map<string, string>> {
  return parseVersions(await readFile(join(layer, 'versions.txt'), 'utf8'))
}

export async function describeVersions(roots: RootDirs): Promise<string> {
  const found = await versionsIn(join(roots.node, '..'))
  return ['criu', 'runc', 'containerd', 'etcd-server'].map((name) => `${name} ${found.get(name) ?? '?'}`).join(', ')
}
