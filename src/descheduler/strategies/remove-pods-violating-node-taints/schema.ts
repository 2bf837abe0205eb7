// Arguments of RemovePodsViolatingNodeTaints: taints are included or excluded, not both.
import { RemovePodsViolatingNodeTaintsArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, listOf, namespacesRule, type Rule, withRules } from '../../stock/argument-rules.ts'

const taintsRule: Rule = ({ includedTaints, excludedTaints }, add) => {
  const [included, excluded] = [listOf(includedTaints), listOf(excludedTaints)]
  if (included.length > 0 && excluded.length > 0)
    add(['excludedTaints'], `expected either includedTaints or excludedTaints, got both (${included.join(', ')}; ${excluded.join(', ')})`)
}

export const schema = withRules(RemovePodsViolatingNodeTaintsArguments, namespacesRule, labelSelectorRule, taintsRule)
