// Everything that a lab needs before it can boot, built side by side and kept in the cache.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDir } from '../layout.ts'
import { flannelStep } from './flannel.ts'
import { installPackages, missingPackages } from './host-packages.ts'
import { containerdStateStep, imagesStep } from './images.ts'
import { helmStep, kubernetesStep } from './kubernetes.ts'
import { withLock } from './lock.ts'
import { nativeStep } from './native.ts'
import { checkPrerequisites } from './prerequisites.ts'
import { describeVersions, rootFileSystems } from './root-fs.ts'
import { cachedDir, removeUnfinished, timed } from './step.ts'
import { toolsStep } from './tools.ts'
import { trafficStep } from './traffic.ts'

export type SetUp = {
  readonly kubernetes: string
  readonly helm: string
  readonly native: string
  // Lower layers of an overlay mount, uppermost first.
  readonly nodeLowers: string
  readonly clientLowers: string
  readonly baseImages: string
  readonly containerdState: string
  readonly versions: string
}

// `flannel`: for a lab whose pod network it is.
export async function setUp({ flannel = false } = {}): Promise<SetUp> {
  await prepareHost()
  const native = await cachedDir(await nativeStep())
  const traffic = await cachedDir(await trafficStep())
  // The compiler keeps the processors busy, the root file systems mostly wait for the network.
  const [programs, files] = await allSettledOrFirstError(goPrograms(), debianFiles(native, traffic))
  const tools = await cachedDir(await toolsStep({ kubernetes: programs.kubernetes, native, traffic, nodeRoot: files.roots.node }))
  const more = flannel ? [await cachedDir(await flannelStep())] : []
  return {
    ...programs,
    native,
    nodeLowers: [tools, files.roots.node, files.roots.base, ...more].join(':'),
    clientLowers: [tools, files.roots.app, files.roots.base].join(':'),
    baseImages: files.baseImages,
    containerdState: files.containerdState,
    versions: await describeVersions(files.roots),
  }
}

// What all steps need: the machine is fit for it, has the programs, and a cache.
export async function prepareHost(): Promise<void> {
  await checkPrerequisites()
  await mkdir(cacheDir(), { recursive: true })
  await removeUnfinished()
  const missing = missingPackages()
  if (missing.length > 0) await withLock('host-packages', () => timed('host-packages', (run) => installPackages(missing, run)))
}

async function goPrograms(): Promise<{ kubernetes: string; helm: string }> {
  const kubernetes = await cachedDir(await kubernetesStep())
  const helm = await cachedDir(await helmStep())
  return { kubernetes, helm }
}

async function debianFiles(native: string, traffic: string) {
  const roots = await rootFileSystems()
  const baseImages = await cachedDir(
    await imagesStep({ base: roots.base, app: roots.app, agent: roots.agent, pause: join(native, 'pause'), traffic }),
  )
  const containerdState = join(await cachedDir(await containerdStateStep(baseImages, `${roots.node}:${roots.base}`)), 'containerd')
  return { roots, baseImages, containerdState }
}

// A failure of one side is reported only after the other ended: it would go on writing into the cache.
async function allSettledOrFirstError<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second])
  return [await first, await second]
}
