// Arguments of RemovePodsViolatingTopologySpreadConstraint.
import { RemovePodsViolatingTopologySpreadConstraintArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, namespacesRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(RemovePodsViolatingTopologySpreadConstraintArguments, namespacesRule, labelSelectorRule)
