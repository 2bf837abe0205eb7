// RemoveFailedPods: failed pods go.
import type { RemoveFailedPodsArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removeFailedPods: Strategy<RemoveFailedPodsArguments> = {
  name: 'RemoveFailedPods',
  extensionPoint: 'deschedule',
  schema,
  find,
}
