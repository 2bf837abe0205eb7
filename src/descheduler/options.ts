// How the controller was told to deschedule: the stock descheduler's own flags, and --once.
import { parseArgs } from 'node:util'
import { CodedError, messageOf } from '../runtime/errors.ts'
import { durationMs } from './stock/duration.ts'

export interface DeschedulerOptions {
  /** A policy of the stock descheduler (or a MigrationPolicy) that is a file. */
  policyFile: string | undefined
  intervalMs: number
  dryRun: boolean
  once: boolean
}

const defaultInterval = '5m'

export function deschedulerOptions(argv: readonly string[]): DeschedulerOptions {
  const values = parse(argv)
  const interval = values['descheduling-interval']
  const intervalMs = durationMs(interval)
  if (intervalMs === undefined || intervalMs <= 0)
    throw new CodedError(
      'WrongOption',
      `Reading the options: --descheduling-interval: expected a duration like 5m or 1h30m, got "${interval}"`,
    )
  return { policyFile: values['policy-config-file'], intervalMs, dryRun: values['dry-run'], once: values.once }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        'policy-config-file': { type: 'string' },
        'descheduling-interval': { type: 'string', default: defaultInterval },
        'dry-run': { type: 'boolean', default: false },
        once: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new CodedError('WrongOption', `Reading the options: ${messageOf(error)}`, { cause: error })
  }
}
