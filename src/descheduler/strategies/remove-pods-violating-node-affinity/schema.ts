// Arguments of RemovePodsViolatingNodeAffinity.
import { RemovePodsViolatingNodeAffinityArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, namespacesRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(RemovePodsViolatingNodeAffinityArguments, namespacesRule, labelSelectorRule)
