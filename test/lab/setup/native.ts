// Compiles the lab's own small C programs.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labSource } from '../layout.ts'
import type { Step } from './step.ts'

const source = join(labSource, 'native')
const warnings = ['-O2', '-Wall', '-Wextra', '-s']

export async function nativeStep(): Promise<Step> {
  const names = ['init', 'pause', 'criu', 'limits']
  return {
    name: 'native',
    inputs: await Promise.all(names.map((name) => readFile(join(source, `${name}.c`), 'utf8'))),
    build: async (out, run) => {
      for (const name of ['init', 'criu']) {
        await run('gcc', [...warnings, '-static', '-o', join(out, name), join(source, `${name}.c`)])
      }
      await run('mkdir', ['-p', join(out, 'pause')])
      await run('gcc', [...warnings, '-static', '-o', join(out, 'pause', 'pause'), join(source, 'pause.c')])
      await run('gcc', [...warnings, '-fPIC', '-shared', '-o', join(out, 'lab-limits.so'), join(source, 'limits.c'), '-ldl'])
    },
  }
}
