// Arguments of PodLifeTime: without any criterion every pod would go.
import { PodLifeTimeArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, listOf, namespacesRule, ownerKindsRule, type Rule, recordOf, withRules } from '../../stock/argument-rules.ts'

const criterionRule: Rule = ({ maxPodLifeTimeSeconds, states, conditions, exitCodes }, add) => {
  if (maxPodLifeTimeSeconds !== undefined || [states, conditions, exitCodes].some((one) => listOf(one).length > 0)) return
  add([], 'expected at least one of maxPodLifeTimeSeconds, states, conditions and exitCodes, got none')
}

const conditionsRule: Rule = ({ conditions }, add) => {
  for (const [index, condition] of listOf(conditions).entries())
    if (Object.values(recordOf(condition)).every((one) => one === undefined || one === ''))
      add(['conditions', index], 'expected at least one of type, status, reason and minTimeSinceLastTransitionSeconds, got none')
}

export const schema = withRules(PodLifeTimeArguments, namespacesRule, ownerKindsRule, labelSelectorRule, criterionRule, conditionsRule)
