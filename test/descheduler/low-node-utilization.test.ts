// LowNodeUtilization: which nodes give, which take, and when it has nothing to do.
import { expect } from 'chai'
import type { PolicyStrategy } from '../../src/api/migration-policy.ts'
import { argumentsOf } from '../../src/descheduler/strategies/arguments-of.ts'
import { strategies } from '../../src/descheduler/strategies/index.ts'
import type { NodeLoad } from '../../src/descheduler/utilisation.ts'

const load = (nodeName: string, cpu: number, memory = 0, pods = 0): NodeLoad => ({
  nodeName,
  allocatable: { cpu: 100, memory: 100, pods: 100 },
  used: { cpu, memory, pods },
})

function found(loads: NodeLoad[], wish: object = {}): string {
  const lowNodeUtilization = { thresholds: { cpu: 40 }, targetThresholds: { cpu: 70 }, ...wish }
  const given = argumentsOf({ name: 'LowNodeUtilization', lowNodeUtilization } as unknown as PolicyStrategy)
  if ('problems' in given) return `the arguments are wrong: ${given.problems.join('; ')}`
  const finding = strategies.LowNodeUtilization.level?.(given.data, loads)
  if (!finding) return 'no finding'
  return 'nothing' in finding ? finding.nothing : `${finding.sources} -> ${finding.destinations}`
}

describe('LowNodeUtilization', () => {
  const both = { thresholds: { cpu: 40, memory: 40 }, targetThresholds: { cpu: 70, memory: 70 } }
  const cases: [string, NodeLoad[], object, string][] = [
    ['takes from full nodes for empty ones', [load('a', 90), load('b', 10), load('c', 50)], {}, 'a -> b'],
    ['starts with the fullest', [load('a', 80), load('b', 95), load('c', 10)], {}, 'b,a -> c'],
    ['counts percent points, not bytes', [load('a', 95, 50), load('b', 0, 80), load('c', 10, 10)], both, 'a,b -> c'],
    ['leaves nodes on their target alone', [load('a', 70), load('b', 10)], {}, 'no node is over its target (cpu 70 %)'],
    ['needs somewhere to go', [load('a', 90), load('b', 40)], {}, 'no node is under cpu 40 %, so none can take pods'],
    ['takes a node over any target', [load('a', 50, 90), load('b', 10, 10)], both, 'a -> b'],
    [
      'gives to a node under all thresholds only',
      [load('a', 90, 90), load('b', 10, 50)],
      both,
      'no node is under cpu 40 %, memory 40 %, so none can take pods',
    ],
    [
      'can look at pods alone',
      [load('a', 0, 0, 90), load('b', 0, 0, 5)],
      { thresholds: { pods: 10 }, targetThresholds: { pods: 80 } },
      'a -> b',
    ],
    [
      'acts above numberOfNodes only',
      [load('a', 90), load('b', 10)],
      { numberOfNodes: 1 },
      '1 nodes are under cpu 40 %, the policy acts above numberOfNodes (1)',
    ],
    [
      'does not act when the cluster is even',
      [load('a', 55), load('b', 69)],
      { thresholds: { cpu: 50 } },
      'no node is over its target (cpu 70 %)',
    ],
    [
      'refuses thresholds the wrong way round',
      [load('a', 90), load('b', 10)],
      { thresholds: { cpu: 80 } },
      'the arguments are wrong: lowNodeUtilization.thresholds.cpu: expected at most targetThresholds.cpu (70), got 80: pods would go back and forth',
    ],
    [
      'refuses a resource on one side only',
      [load('a', 90), load('b', 10)],
      { thresholds: { cpu: 10, memory: 10 } },
      'the arguments are wrong: lowNodeUtilization.targetThresholds.memory: expected a percent because thresholds has one for memory, got nothing',
    ],
    [
      'refuses no thresholds at all',
      [load('a', 90)],
      { thresholds: {}, targetThresholds: {} },
      'the arguments are wrong: lowNodeUtilization.thresholds: expected a percent for at least one resource (cpu, memory, pods, …), got none; lowNodeUtilization.targetThresholds: expected a percent for at least one resource (cpu, memory, pods, …), got none',
    ],
  ]
  for (const [what, loads, wish, expected] of cases)
    it(what, () => {
      expect(found(loads, wish)).to.equal(expected)
    })
})
