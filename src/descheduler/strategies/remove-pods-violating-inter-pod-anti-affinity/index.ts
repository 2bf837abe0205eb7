// RemovePodsViolatingInterPodAntiAffinity: pods leave neighbours that they refuse.
import type { RemovePodsViolatingInterPodAntiAffinityArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removePodsViolatingInterPodAntiAffinity: Strategy<RemovePodsViolatingInterPodAntiAffinityArguments> = {
  name: 'RemovePodsViolatingInterPodAntiAffinity',
  extensionPoint: 'deschedule',
  schema,
  find,
}
