// Builds the program at both ends of the flows that a move must not disturb.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labSource } from '../layout.ts'
import { compilerEnvironment, packageFlags } from './kubernetes.ts'
import type { Step } from './step.ts'

const source = join(labSource, 'flows', 'traffic')
// As Kubernetes is built: what both use of the standard library is compiled once.
const flags = [...packageFlags, '-ldflags=-s -w']

export async function trafficStep(): Promise<Step> {
  const names = (await readdir(source)).filter((name) => !name.endsWith('_test.go')).sort()
  const contents = await Promise.all(names.map((name) => readFile(join(source, name), 'utf8')))
  return {
    name: 'traffic',
    inputs: [...contents, ...flags],
    build: async (out, run) => {
      await run('go', ['build', ...flags, '-o', join(out, 'lab-traffic'), '.'], { cwd: source, env: compilerEnvironment })
    },
  }
}
