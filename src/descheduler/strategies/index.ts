// All strategies by the name that policies call them by.
import type { PolicyStrategy } from '../../api/migration-policy.ts'
import { lowNodeUtilization } from './low-node-utilization/index.ts'
import type { Strategy } from './strategy.ts'

export const strategies: Readonly<Record<PolicyStrategy['name'], Strategy>> = {
  LowNodeUtilization: lowNodeUtilization,
}
