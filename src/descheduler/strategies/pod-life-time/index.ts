// PodLifeTime: pods that are too old, or too long in a state, go.
import type { PodLifeTimeArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const podLifeTime: Strategy<PodLifeTimeArguments> = {
  name: 'PodLifeTime',
  extensionPoint: 'deschedule',
  schema,
  find,
}
