// What can be chosen about the memory benchmark.
import { parseArgs } from 'node:util'
import { type HeapKind, heapKinds } from '../../test/lab/workloads/heap.ts'

const modes = ['heaps', 'throughput', 'churn'] as const

export interface MemoryOptions {
  /** heaps: freezes and estimates; throughput: what tracking costs; churn: every byte, of a program that never stops. */
  mode: (typeof modes)[number]
  /** Of each heap, idle and dirtied alike. */
  moves: number
  sizesMB: number[]
  kinds: HeapKind[]
  /** Also moves by script, of the heaps up to 1 GB: images and copies of larger ones do not fit beside each other. */
  plain: boolean
  /** bandwidthLimitMbps of the moves; 0: none. */
  limitMbps: number
  /** To the moves that are in bench/results already. */
  add: boolean
  keep: boolean
}

export function memoryOptions(args: readonly string[]): MemoryOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mode: { type: 'string', default: 'heaps' },
      moves: { type: 'string', default: '3' },
      sizes: { type: 'string', default: '50,1024,4096' },
      kinds: { type: 'string', default: 'private,shared' },
      'no-plain': { type: 'boolean', default: false },
      'limit-mbps': { type: 'string', default: '0' },
      add: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  return {
    mode: oneOf('--mode', modes, values.mode),
    moves: positive('--moves', values.moves),
    sizesMB: values.sizes.split(',').map((size) => positive('--sizes', size)),
    kinds: values.kinds.split(',').map((kind) => oneOf('--kinds', heapKinds, kind)),
    plain: !values['no-plain'],
    limitMbps: Number(values['limit-mbps']),
    add: values.add,
    keep: values.keep,
  }
}

function oneOf<T extends string>(name: string, known: readonly T[], text: string): T {
  const found = known.find((one) => one === text)
  if (found !== undefined) return found
  throw new Error(`Reading ${name}: expected one of ${known.join(', ')}, got ${JSON.stringify(text)}`)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`Reading ${name}: expected a whole number above 0, got ${JSON.stringify(text)}`)
}
