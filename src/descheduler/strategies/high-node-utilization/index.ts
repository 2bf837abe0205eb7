// HighNodeUtilization: nodes that are nearly empty are emptied.
import type { HighNodeUtilizationArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { level } from './level.ts'
import { schema } from './schema.ts'

export const highNodeUtilization: Strategy<HighNodeUtilizationArguments> = {
  name: 'HighNodeUtilization',
  extensionPoint: 'balance',
  schema,
  find,
  level,
}
