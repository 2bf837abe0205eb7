// RemovePodsViolatingNodeAffinity: pods leave nodes that they should not be on.
import type { RemovePodsViolatingNodeAffinityArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removePodsViolatingNodeAffinity: Strategy<RemovePodsViolatingNodeAffinityArguments> = {
  name: 'RemovePodsViolatingNodeAffinity',
  extensionPoint: 'deschedule',
  schema,
  find,
}
