// Where mode PostCopy cannot be had, and what is said of memory that was lost with its source.
import { expect } from 'chai'
import type { NodeMigrationCapacity } from '../../src/api/node-migration-capacity.ts'
import { postCopyObstacle, postCopyRefusals } from '../../src/migrator/post-copy.ts'
import { memoryLoss } from '../../src/migrator/records.ts'

const node = (kernel: string | undefined, trackers: string[] | undefined) => ({
  metadata: { name: 'na' },
  spec: { nodeName: 'na' },
  status: {
    eligible: true,
    reasons: [],
    modes: ['PreCopy', 'PostCopy', 'Cold'],
    ...(kernel ? { kernel } : {}),
    ...(trackers ? { trackers } : {}),
  },
})

describe('mode PostCopy', () => {
  const cases: ['source' | 'destination', string | undefined, string[] | undefined, RegExp | undefined][] = [
    ['source', '6.18.5', ['userfaultfd'], undefined],
    ['source', '6.7', ['soft-dirty', 'userfaultfd'], undefined],
    ['source', '7.0.1', ['userfaultfd'], undefined],
    ['source', undefined, ['userfaultfd'], undefined],
    ['source', '6.6.9', ['userfaultfd'], /source node na has Linux 6.6.9, and the memory of a running pod is tracked from 6.7 on/],
    ['source', '5.15.0', ['userfaultfd'], /source node na has Linux 5.15.0/],
    ['source', '6.18.5', ['soft-dirty'], /source node na has no userfaultfd/],
    ['destination', '5.15.0', ['userfaultfd'], undefined],
    ['destination', '6.18.5', undefined, /destination node na has no userfaultfd/],
  ]
  for (const [side, kernel, trackers, expected] of cases) {
    it(`${side}, ${kernel}, ${trackers}`, () => {
      const refusals = postCopyRefusals({ mode: 'PostCopy' }, side, 'na', node(kernel, trackers))
      expect(refusals.length).to.equal(expected ? 1 : 0)
      if (expected) expect(refusals[0]?.message).to.match(expected)
    })
  }

  it('is not asked of an agent that would take it for PreCopy', () => {
    const { status, ...rest } = node('6.18.5', ['userfaultfd'])
    for (const modes of [undefined, ['PreCopy', 'Cold']]) {
      const before = { ...rest, status: { ...status, modes, agentVersion: '0.9' } }
      for (const side of ['source', 'destination'] as const)
        expect(postCopyRefusals({ mode: 'PostCopy' }, side, 'na', before as NodeMigrationCapacity)).to.deep.equal([
          {
            code: 'PostCopyUnavailable',
            message: `spec.mode PostCopy: ${side} node na has an agent (0.9) that does not know the mode`,
            remedy: 'update the agent there',
          },
        ])
    }
  })

  it('tells of a pod for which it cannot be had', () => {
    const pod = (...probes: object[]) => ({ spec: { containers: probes.map((livenessProbe, at) => ({ name: `c${at}`, livenessProbe })) } })
    expect(postCopyObstacle(pod({ httpGet: { port: 1 } }))).to.equal(undefined)
    expect(postCopyObstacle(pod({ tcpSocket: { port: 1 } }, { exec: { command: ['true'] } }))).to.match(
      /^the liveness probe of container c1 is a command/,
    )
  })

  it('asks nothing of other modes, nor of a node that nobody knows', () => {
    expect(postCopyRefusals({ mode: 'PreCopy' }, 'source', 'na', node('5.4', []))).to.deep.equal([])
    expect(postCopyRefusals({ mode: 'PostCopy' }, 'source', 'na', undefined)).to.deep.equal([])
  })

  it('finds the warning of a loss among others', () => {
    expect(memoryLoss({ warnings: ['x', 'PostCopySourceLost: y'] })).to.equal('PostCopySourceLost: y')
    expect(memoryLoss({ warnings: ['x'] })).to.equal(undefined)
    expect(memoryLoss({})).to.equal(undefined)
  })
})
