// Arguments of HighNodeUtilization.
import { HighNodeUtilizationArguments } from '../../../api/descheduler-arguments.ts'
import { evictableNamespacesRule, thresholdsRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(HighNodeUtilizationArguments, thresholdsRule('thresholds'), evictableNamespacesRule)
