// RemovePodsHavingTooManyRestarts: pods that are restarted again and again try another node.
import type { RemovePodsHavingTooManyRestartsArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removePodsHavingTooManyRestarts: Strategy<RemovePodsHavingTooManyRestartsArguments> = {
  name: 'RemovePodsHavingTooManyRestarts',
  extensionPoint: 'deschedule',
  schema,
  find,
}
