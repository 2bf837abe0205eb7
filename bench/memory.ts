// What a move costs as memory grows: freeze, estimate, and when all of it was the pod's own again, for heaps of several sizes, private and
// shared, idle and with a tenth of their pages written each second; beside the same heap moved by script, in one run.
//
// The program (test/lab/workloads/heap.c) knows what each page must hold, and is asked after every move, over one connection that lives through all of them.
import type { World } from '../test/lab/product/world.ts'
import { type HeapKind, HeapPod } from '../test/lab/workloads/heap.ts'
import { inProductLab } from './freeze/product-lab.ts'
import { churn } from './memory/churn.ts'
import { type Case, type Measured, measureMove } from './memory/measure.ts'
import { type MemoryOptions, memoryOptions } from './memory/options.ts'
import { conclude, measuredBefore, say, sayMove } from './memory/report.ts'
import { throughput } from './memory/throughput.ts'

const pagesPerMB = 256
const dirtiedShare = 0.1
const plainUpToMB = 1024

async function main(options: MemoryOptions): Promise<void> {
  await inProductLab(options.keep, async (world) => {
    process.exitCode = (await modes[options.mode](world, options)) ? 0 : 1
  })
}

const modes = {
  heaps: measureHeaps,
  throughput: async (world: World, { moves, limitMbps }: MemoryOptions) => await throughput(world, moves, limitMbps),
  churn: async (world: World, { moves }: MemoryOptions) => await churn(world, moves),
}

async function measureHeaps(world: World, options: MemoryOptions): Promise<boolean> {
  const before = options.add ? await measuredBefore() : []
  say(`${world.lab.versions}; ${options.moves} moves of each`)
  const moves: Measured[] = []
  for (const sizeMB of options.sizesMB) {
    for (const kind of options.kinds) moves.push(...(await measureHeap(world, sizeMB, kind, options)))
  }
  await world.remove('podmigrations', '--all')
  return (await conclude([...before, ...moves], world.lab.versions)) === 0
}

async function measureHeap(world: World, sizeMB: number, kind: HeapKind, { moves, plain }: MemoryOptions): Promise<Measured[]> {
  const heap = await HeapPod.start(world, 'heap', [String(sizeMB), kind])
  const done: Measured[] = []
  const repeat = async (one: Case, by: Measured['by']): Promise<void> => {
    for (let number = 1; number <= moves; number++) {
      const move = await measureMove(world, heap, one, by)
      sayMove(move)
      done.push(move)
    }
  }
  try {
    await heap.ask('verify')
    await repeat({ sizeMB, kind, load: 'idle' }, 'ours')
    if (plain && sizeMB <= plainUpToMB) await repeat({ sizeMB, kind, load: 'idle' }, 'plain')
    await heap.ask(`dirty ${Math.round(sizeMB * pagesPerMB * dirtiedShare)}`)
    await repeat({ sizeMB, kind, load: '10 %/s' }, 'ours')
  } finally {
    await heap.close()
    await HeapPod.remove(world)
  }
  return done
}

await main(memoryOptions(process.argv.slice(2)))
