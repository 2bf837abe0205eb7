// The demo: drain a node under a live PostgreSQL, with us and without us, and show what the clients saw.
import { execa } from 'execa'
import { Lab } from '../lab.ts'
import { projectRoot } from '../layout.ts'
import { installProduct } from '../product/install.ts'
import { drainUnderLoad } from './drain-under-load.ts'
import { heading, say, verdict } from './show.ts'

const keep = process.argv.includes('--keep')

async function main(): Promise<void> {
  heading('podmotion: kubectl drain under a live PostgreSQL')
  await build()
  const wasUp = Lab.isUp()
  const lab = wasUp ? Lab.attach() : await Lab.up()
  try {
    await lab.loadImages()
    process.exitCode = await show(lab, wasUp)
  } finally {
    if (keep) say('the lab stays up: make kubectl ARGS="get pm -A", make lab-down')
    else await lab.down()
  }
}

async function build(): Promise<void> {
  await execa('make', ['--no-print-directory', 'bundle', 'native'], { cwd: projectRoot, stdout: 'ignore' })
  say('programs built')
}

/** Returns the exit code: 0 when our drain failed nobody and moved the pod. */
async function show(lab: Lab, restart: boolean): Promise<number> {
  await installProduct(lab, { say, restart })
  heading('with podmotion')
  const ours = await drainUnderLoad(lab, { name: 'postgres', movable: true, seconds: 40 })
  heading('the same drain without podmotion')
  const plain = await drainUnderLoad(lab, { name: 'plain', movable: false, seconds: 40 })
  return verdict(ours, plain)
}

await main()
