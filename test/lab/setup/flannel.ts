// Builds flanneld; only labs whose pod network it is need it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labSource } from '../layout.ts'
import { compilerEnvironment, packageFlags } from './kubernetes.ts'
import type { Step } from './step.ts'

const flannelVersion = 'v0.28.10'
const script = join(labSource, 'flannel', 'build.sh')

export async function flannelStep(): Promise<Step> {
  const flags = [...packageFlags, '-ldflags=-s -w']
  return {
    name: 'flannel',
    inputs: [await readFile(script, 'utf8'), flannelVersion, ...flags],
    build: async (out, run) => {
      await run(script, [out, flannelVersion, ...flags], { env: compilerEnvironment })
    },
  }
}
