// Arguments of LowNodeUtilization, with the rule that the API's schema cannot say: the lower threshold is lower.
import { LowNodeUtilizationArguments } from '../../../api/migration-policy.ts'
import { measured } from '../../utilisation.ts'

export const schema = LowNodeUtilizationArguments.superRefine(({ thresholds, targetThresholds }, context) => {
  for (const resource of measured) {
    const low = thresholds[resource]
    const high = targetThresholds[resource]
    if ((low === undefined) !== (high === undefined))
      context.addIssue({
        code: 'custom',
        path: [low === undefined ? 'thresholds' : 'targetThresholds', resource],
        message: `expected a percent because ${low === undefined ? 'targetThresholds' : 'thresholds'} has one for ${resource}, got nothing`,
      })
    else if (low !== undefined && high !== undefined && low >= high)
      context.addIssue({
        code: 'custom',
        path: ['thresholds', resource],
        message: `expected less than targetThresholds.${resource} (${high}), got ${low}: pods would go back and forth`,
      })
  }
  if (measured.every((resource) => thresholds[resource] === undefined))
    context.addIssue({ code: 'custom', path: ['thresholds'], message: 'expected a percent for cpu, memory or pods, got none' })
})
