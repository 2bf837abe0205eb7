// MigrationPolicies for tests: parsed by the schema, so that its defaults are in them.
import { type MigrationPolicy, MigrationPolicySpec } from '../../src/api/migration-policy.ts'

export function policy(name: string, spec: object = {}): MigrationPolicy {
  const strategy = {
    name: 'LowNodeUtilization',
    lowNodeUtilization: { thresholds: { cpu: 40 }, targetThresholds: { cpu: 70 } },
  }
  return { metadata: { name, uid: `uid-${name}` }, spec: MigrationPolicySpec.parse({ strategies: [strategy], ...spec }) }
}
