// Eligibility as metrics: follows what agents write, and forgets nodes that are gone.
import { expect } from 'chai'
import type { NodeMigrationCapacity } from '../src/api/node-migration-capacity.ts'
import { KubeClient } from '../src/kube/client.ts'
import { nodeMigrationCapacityPath } from '../src/kube/paths.ts'
import { WatchCache } from '../src/kube/watch-cache.ts'
import { countNodes } from '../src/node-metrics.ts'
import { nodeEligible, nodeIneligible } from '../src/runtime/metrics.ts'

describe('node metrics', () => {
  const shown = async () => ({
    eligible: (await nodeEligible.get()).values.map(({ labels, value }) => `${labels.node} ${value}`),
    reasons: (await nodeIneligible.get()).values.map(({ labels }) => `${labels.node} ${labels.reason}`),
  })

  it('shows each node and why it cannot take part, as long as it is so', async () => {
    const capacities = new WatchCache<NodeMigrationCapacity>(KubeClient.fromUrl('http://127.0.0.1:1'), nodeMigrationCapacityPath())
    countNodes({ capacities })
    const write = (version: string, eligible: boolean, codes: string[]) =>
      capacities.upsert({
        metadata: { name: 'na', uid: 'u', resourceVersion: version },
        spec: { nodeName: 'na' },
        status: { eligible, reasons: codes.map((code) => ({ code, message: code })) },
      } as NodeMigrationCapacity)
    write('1', false, ['KernelTooOld', 'NoNft', 'NoNft'])
    expect(await shown()).to.deep.equal({ eligible: ['na 0'], reasons: ['na KernelTooOld', 'na NoNft'] })
    write('2', true, [])
    expect(await shown()).to.deep.equal({ eligible: ['na 1'], reasons: [] })
  })
})
