// A loader that takes the types away and adds nothing: tsx's helpers in each file count as branches that no test runs.
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { transform } from 'esbuild'

// Hooks run in a thread of their own, in which this file is loaded once more.
if (isMainThread) register(import.meta.url)

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return await next(url, context)
  const sourcefile = fileURLToPath(url)
  const { code } = await transform(await readFile(sourcefile, 'utf8'), { loader: 'ts', format: 'esm', sourcemap: 'inline', sourcefile })
  return { format: 'module', source: code, shortCircuit: true }
}
