// LowNodeUtilization: pods leave nodes that are too full for nodes that are nearly empty.
import type { LowNodeUtilizationArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { level } from './level.ts'
import { schema } from './schema.ts'

export const lowNodeUtilization: Strategy<LowNodeUtilizationArguments> = {
  name: 'LowNodeUtilization',
  extensionPoint: 'balance',
  schema,
  find,
  level,
}
