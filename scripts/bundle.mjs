// Bundles the programs into single files: the images and the kubectl plugin carry no node_modules.
import { copyFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const programs = {
  controller: 'src/controller.ts',
  agent: 'src/agent/main.ts',
  'plan-worker': 'src/planner/exact/worker.ts',
}
const commands = {
  'kubectl-podmotion': 'src/plugin/main.ts',
  podmotion: 'src/cli/main.ts',
}

// Some libraries (node-cron) look for their own file with import.meta.url when they are loaded; a CommonJS bundle has none.
const ownUrl = "const bundleUrl = require('node:url').pathToFileURL(__filename).href"

/**
 * Of the Kubernetes client little more than KubeConfig is used; its models of every resource would be 9 MB of code that each process reads, keeps
 * and looks through at every collection of garbage. None of its modules does anything when it is loaded.
 */
const onlyWhatIsUsed = {
  name: 'only-what-is-used',
  setup(build) {
    build.onResolve({ filter: /^\.|^@kubernetes\/client-node$/ }, async ({ path, pluginData, ...args }) => {
      const isOfClient = !path.startsWith('.') || args.importer.includes('/node_modules/@kubernetes/client-node/')
      if (!isOfClient || pluginData === 'resolving') return undefined
      return { ...(await build.resolve(path, { ...args, pluginData: 'resolving' })), sideEffects: false }
    })
  },
}

/** Together: most of the time goes into looking at the same libraries. */
async function bundle(entryPoints, banner) {
  await build({
    entryPoints,
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    sourcemap: 'linked',
    plugins: [onlyWhatIsUsed],
    legalComments: 'none',
    logLevel: 'warning',
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: banner },
  })
}

await bundle(programs, ownUrl)
await bundle(commands, `#!/usr/bin/env node\n${ownUrl}`)

// HiGHS looks for it beside itself; without it plans are made by search alone.
await copyFile(fileURLToPath(import.meta.resolve('highs/runtime')), 'dist/highs.wasm')

// kubectl looks for it in PATH when somebody presses the tab key.
await writeFile('dist/kubectl_complete-podmotion', '#!/bin/sh\nexec kubectl podmotion __complete "$@"\n', { mode: 0o755 })
