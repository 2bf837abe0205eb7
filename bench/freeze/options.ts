// What can be chosen about the freeze benchmark.
import { parseArgs } from 'node:util'
import { usualSharedBuffers } from '../../test/lab/workloads/postgres.ts'

export interface FreezeOptions {
  rounds: number
  /** Beside each how many of ours one is moved by script. */
  plainEvery: number
  keep: boolean
  /** Of pgbench's tables; each adds about 16 MB of files. */
  scale: number
  sharedBuffers: string
  /** bandwidthLimitMbps of our moves; 0: none. */
  limitMbps: number
}

export function freezeOptions(args: readonly string[]): FreezeOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '10' },
      'plain-every': { type: 'string', default: '1' },
      scale: { type: 'string', default: '5' },
      'shared-buffers': { type: 'string', default: usualSharedBuffers },
      'limit-mbps': { type: 'string', default: '0' },
      keep: { type: 'boolean', default: false },
    },
  })
  return {
    rounds: positive('--rounds', values.rounds),
    plainEvery: positive('--plain-every', values['plain-every']),
    scale: positive('--scale', values.scale),
    sharedBuffers: values['shared-buffers'],
    limitMbps: Number(values['limit-mbps']),
    keep: values.keep,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`Reading ${name}: expected a whole number above 0, got ${JSON.stringify(text)}`)
}
