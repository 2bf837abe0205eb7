// Every policy that users are given to edit is one that the API and the strategies take.
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import cron from 'node-cron'
import { parse } from 'yaml'
import { z } from 'zod'
import { type MigrationPolicy, MigrationPolicySpec } from '../../src/api/migration-policy.ts'
import { blackoutAt } from '../../src/descheduler/blackout.ts'
import { planCycle } from '../../src/descheduler/cycle.ts'
import { at, capacity, node, nowMs, pod } from '../extender/cluster.ts'

const folder = new URL('../../policies/', import.meta.url)
const Manifest = z.strictObject({
  apiVersion: z.literal('podmotion.io/v1alpha1'),
  kind: z.literal('MigrationPolicy'),
  metadata: z.strictObject({ name: z.string() }),
  spec: MigrationPolicySpec.strict(),
})
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
const read = (file: string): MigrationPolicy => Manifest.parse(parse(readFileSync(new URL(file, folder), 'utf8')))

describe('policies to edit', () => {
  it('are there', () => {
    expect(files).to.include.members(['low-node-utilization.yaml', 'night-rebalance.yaml', 'keep-in-place.yaml'])
  })

  for (const file of files)
    it(`${file} is right in every field`, () => {
      const policy = read(file)
      expect(`${policy.metadata.name}.yaml`).to.equal(file)
      expect(cron.validate(policy.spec.schedule)).to.equal(true)
      // Midnight in Berlin: outside the window, so anything said then would be a complaint about the window itself.
      expect(blackoutAt(policy.spec.blackoutWindows, Date.parse('2026-05-04T22:30:00Z'))).to.equal(undefined)
    })

  const labels: Record<string, Record<string, string>> = { 'night-rebalance.yaml': { 'podmotion.io/rebalance': 'nightly' } }
  for (const file of ['low-node-utilization.yaml', 'night-rebalance.yaml'])
    it(`${file} moves pods off a full node`, () => {
      const policy = read(file)
      const observedAt = at(11 * 3_600_000)
      const pods = [1, 2, 3, 4].map((number) =>
        pod(`shop/p${number}`, { on: 'a', cpu: '900m', memory: '1800Mi', labels: labels[file] ?? {} }),
      )
      const cycle = planCycle({
        policy,
        policies: [policy],
        nodes: [node('a'), node('b')],
        capacities: [capacity('a', { observedAt }), capacity('b', { observedAt })],
        pods,
        migrations: [],
        namespaceLabels: new Map(),
        refusalsOf: () => [],
        nowMs: nowMs + 11 * 3_600_000,
      })
      expect(cycle.moves.length, cycle.result).to.be.greaterThan(0)
    })

  it('keep-in-place.yaml keeps its pods out of the others', () => {
    const keep = read('keep-in-place.yaml')
    const policy = read('low-node-utilization.yaml')
    const held = (kept: boolean) =>
      planCycle({
        policy,
        policies: [policy, keep],
        nodes: [node('a'), node('b')],
        capacities: [capacity('a'), capacity('b')],
        pods: [
          pod('shop/p', { on: 'a', cpu: '2900m', labels: { 'podmotion.io/keep-in-place': String(kept) } }),
          pod('shop/q', { on: 'a', cpu: '1', labels: { 'podmotion.io/keep-in-place': String(kept) } }),
        ],
        migrations: [],
        namespaceLabels: new Map(),
        refusalsOf: () => [],
        nowMs,
      }).moves.length
    expect(held(false)).to.be.greaterThan(0)
    expect(held(true)).to.equal(0)
  })
})
