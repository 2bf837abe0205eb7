// Arguments of RemovePodsViolatingInterPodAntiAffinity.
import { RemovePodsViolatingInterPodAntiAffinityArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, namespacesRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(RemovePodsViolatingInterPodAntiAffinityArguments, namespacesRule, labelSelectorRule)
