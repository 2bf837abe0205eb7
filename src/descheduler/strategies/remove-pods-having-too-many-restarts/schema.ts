// Arguments of RemovePodsHavingTooManyRestarts.
import { RemovePodsHavingTooManyRestartsArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, namespacesRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(RemovePodsHavingTooManyRestartsArguments, namespacesRule, labelSelectorRule)
