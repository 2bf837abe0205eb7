// A program that rewrites its memory without pause, with threads, forks, execs and every call that moves pages, moved again and again: each
// page must hold what its ledger says, asked at once after each move (its memory still comes) and once more when all of it is there.
import type { World } from '../../test/lab/product/world.ts'
import { HeapPod } from '../../test/lab/workloads/heap.ts'
import { ms } from '../freeze/statistics.ts'
import { moveHeap } from './measure.ts'

// MB of shared pages, pages written a second, processes.
const args = ['64', '3000', '3', 'churn', 'forks', 'listen']

/** Prints a last line; whether every move succeeded and no page was wrong. */
export async function churn(world: World, moves: number): Promise<boolean> {
  const program = await HeapPod.start(world, 'memory', args)
  let [failed, wrong] = [0, 0]
  try {
    await program.hear()
    for (let number = 1; number <= moves; number++) {
      const move = await moveHeap(world)
      const answers = [await program.ask('verify'), await move.local().then(() => program.ask('verify'))]
      if (move.failure !== undefined) failed++
      wrong += answers.filter((answer) => !answer.startsWith('ok ')).length
      console.log(
        `move ${number}: ${move.from} to ${move.to}, freeze ${ms(move.freezeMs)} · ${answers.at(-1)}${move.failure === undefined ? '' : ` · FAILED: ${move.failure}`}`,
      )
      for (const answer of answers) if (!answer.startsWith('ok ')) console.log(`  ${answer}`)
      await world.remove('podmigrations', '--all')
    }
  } finally {
    await program.close()
    await HeapPod.remove(world)
    await world.remove('podmigrations', '--all')
  }
  console.log(`memory: churn, ${moves} moves · looks with a wrong page ${wrong} of ${2 * moves} · failed ${failed}`)
  return wrong === 0 && failed === 0
}
