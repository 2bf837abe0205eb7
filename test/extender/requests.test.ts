// Requests of pods with init containers, sidecars, overhead and pod-level resources.
import { expect } from 'chai'
import { podRequests } from '../../src/extender/requests.ts'

const container = (cpu: string, restartPolicy?: string) => ({
  name: 'c',
  resources: { requests: { cpu } },
  ...(restartPolicy ? { restartPolicy } : {}),
})

describe('requests of a pod', () => {
  const cases: [string, object, number][] = [
    ['containers add up', { containers: [container('1'), container('500m')] }, 1500],
    [
      'an init container counts when it is larger',
      { containers: [container('1')], initContainers: [container('3'), container('2')] },
      3000,
    ],
    ['a small init container does not', { containers: [container('1')], initContainers: [container('500m')] }, 1000],
    ['a sidecar stays beside the containers', { containers: [container('1')], initContainers: [container('1', 'Always')] }, 2000],
    [
      'a sidecar stays beside later init containers',
      { containers: [container('1')], initContainers: [container('1', 'Always'), container('2')] },
      3000,
    ],
    ['overhead is added', { containers: [container('1')], overhead: { cpu: '250m' } }, 1250],
    ['pod-level requests replace the sum', { containers: [container('1')], resources: { requests: { cpu: '3' } } }, 3000],
  ]
  for (const [what, spec, cpuMillis] of cases)
    it(what, () => {
      expect(podRequests({ spec } as never)).to.include({ cpu: cpuMillis, pods: 1 })
    })
})
