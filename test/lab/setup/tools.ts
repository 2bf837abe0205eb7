// The layer above a host's root file system: Kubernetes, the supervisor, the flows' program, and criu with its shim.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labSource } from '../layout.ts'
import { components } from './kubernetes.ts'
import type { Step } from './step.ts'

export type ToolInputs = { readonly kubernetes: string; readonly native: string; readonly traffic: string; readonly nodeRoot: string }

const scripts = join(labSource, 'tools')

export async function toolsStep({ kubernetes, native, traffic, nodeRoot }: ToolInputs): Promise<Step> {
  const names = await readdir(scripts)
  const contents = await Promise.all(names.map((name) => readFile(join(scripts, name), 'utf8')))
  return {
    name: 'tools',
    inputs: [kubernetes, native, traffic, nodeRoot, ...contents],
    build: async (out, run) => {
      const bin = join(out, 'usr', 'local', 'bin')
      const programs = [...names.map((name) => join(scripts, name)), join(native, 'init'), join(traffic, 'lab-traffic')]
      await run('install', ['-D', '-m', '755', '-t', bin, ...programs])
      // A hard link where it can be one: the binary is large.
      await run('cp', ['-l', join(kubernetes, 'kube-all'), bin])
      for (const component of components) await run('ln', ['-s', 'kube-all', join(bin, component)])
      await run('install', ['-D', '-m', '755', join(native, 'criu'), join(out, 'usr', 'sbin', 'criu')])
      await run('install', ['-D', '-m', '755', join(nodeRoot, 'usr', 'sbin', 'criu'), join(out, 'usr', 'sbin', 'criu.real')])
      await run('install', ['-D', '-m', '644', join(native, 'lab-limits.so'), join(out, 'usr', 'local', 'lib', 'lab-limits.so')])
    },
  }
}
