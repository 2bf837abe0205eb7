// RemovePodsViolatingTopologySpreadConstraint: topology domains are evened out within maxSkew.
import type { RemovePodsViolatingTopologySpreadConstraintArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removePodsViolatingTopologySpreadConstraint: Strategy<RemovePodsViolatingTopologySpreadConstraintArguments> = {
  name: 'RemovePodsViolatingTopologySpreadConstraint',
  extensionPoint: 'balance',
  schema,
  find,
}
