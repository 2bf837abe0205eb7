// RemovePodsViolatingNodeTaints: pods leave nodes whose taints they do not tolerate.
import type { RemovePodsViolatingNodeTaintsArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removePodsViolatingNodeTaints: Strategy<RemovePodsViolatingNodeTaintsArguments> = {
  name: 'RemovePodsViolatingNodeTaints',
  extensionPoint: 'deschedule',
  schema,
  find,
}
