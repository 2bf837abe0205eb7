// What is moved inside the guest, and what has to come of it.
import { type Container, namespace, run } from './container.ts'

interface Program {
  file: string
  args: string[]
  ready(container: Container): Promise<unknown>
  load(container: Container): Promise<unknown>
  /** Its own word for whether each page is what it wrote: `ok …` or `BAD …`. */
  verify(container: Container): Promise<string>
}

/** heap.c answers on a port; no connection is open while it is moved. */
async function askHeap(line: string): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/7000; echo ${line} >&3; head -n 1 <&3`
  const { stdout } = await run('ip', ['netns', 'exec', namespace, 'bash', '-c', script])
  return stdout.trim()
}

async function untilHeapAnswers(): Promise<string> {
  for (let tries = 0; ; tries++) {
    const answer = await askHeap('written').catch(String)
    if (/^\d+$/.test(answer)) return answer
    if (tries === 300) throw new Error(`the heap does not answer: ${answer}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

const heapMB = 64

export const programs: Record<'heap' | 'memory', Program> = {
  /** Private memory, of which some is written all the time. */
  heap: {
    file: 'heap',
    args: [String(heapMB), 'private'],
    ready: untilHeapAnswers,
    load: async () => await askHeap('dirty 400'),
    verify: async () => await askHeap('verify'),
  },
  /** Three processes with shared and private memory, that fork, exec, map and move without pause. */
  memory: {
    file: 'memory',
    args: ['8', '300', '3', 'churn', 'forks'],
    ready: (container) => container.heard(/^up$/),
    load: async () => undefined,
    verify: async (container) => {
      const after = container.output.length
      await container.tell('verify')
      return await container.heard(/^(ok|BAD) /, after)
    },
  },
}

export interface GuestCase {
  name: string
  program: keyof typeof programs
  /** lost-round: a pre-dump fails after criu has done it. skipped-round: the dump leans on an older one than it should. */
  fault?: 'lost-round' | 'skipped-round'
  expected: RegExp
  leastRounds: number
  leastFinalMB?: number
  mostFinalMB: number
}

const times = Number(process.env['TIMES'] ?? 3)

const repeated: GuestCase[] = Array.from({ length: times }, (_, index) => [
  {
    name: `private memory that is written to, ${index + 1}`,
    program: 'heap',
    expected: /^ok/,
    leastRounds: 3,
    mostFinalMB: heapMB / 4,
  } as const,
  {
    name: `processes that fork, map and move, ${index + 1}`,
    program: 'memory',
    expected: /^ok/,
    leastRounds: 3,
    mostFinalMB: 128,
  } as const,
]).flat()

export const cases: readonly GuestCase[] = [
  ...repeated,
  {
    name: 'a round that was lost: everything is dumped',
    program: 'heap',
    fault: 'lost-round',
    expected: /^ok/,
    leastRounds: 3,
    leastFinalMB: heapMB,
    mostFinalMB: heapMB + 8,
  },
  {
    name: 'a round that was skipped is noticed',
    program: 'heap',
    fault: 'skipped-round',
    expected: /^BAD/,
    leastRounds: 3,
    mostFinalMB: heapMB,
  },
]
