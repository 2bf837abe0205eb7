// Bundles the three programs into single files: the images and the kubectl plugin carry no node_modules.
import { existsSync } from 'node:fs'
import { build } from 'esbuild'

const programs = {
  controller: 'src/controller.ts',
  agent: 'src/agent/main.ts',
  'kubectl-podmotion': 'src/plugin/main.ts',
}

for (const [name, entry] of Object.entries(programs)) {
  if (!existsSync(entry)) continue
  await build({
    entryPoints: [entry],
    outfile: `dist/${name}.cjs`,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    sourcemap: 'inline',
    legalComments: 'none',
    logLevel: 'warning',
    banner: name === 'kubectl-podmotion' ? { js: '#!/usr/bin/env node' } : {},
  })
}
