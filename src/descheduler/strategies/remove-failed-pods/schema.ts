// Arguments of RemoveFailedPods.
import { RemoveFailedPodsArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, namespacesRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(RemoveFailedPodsArguments, namespacesRule, labelSelectorRule)
