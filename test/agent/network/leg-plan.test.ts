// What closes the gap between a destination's connection table and the legs that it gets.
import { expect } from 'chai'
import { fixedLines, missingLegs, planChange, planLegs } from '../../../src/agent/network/leg-plan.ts'
import { markOf } from '../../../src/agent/network/relay-marks.ts'
import type { Leg } from '../../../src/agent/rooms.ts'
import {
  direct,
  entry,
  hairpin,
  masqueraded,
  nodePort,
  outgoing,
  ownService,
  pod,
  survey,
  throughService,
  tuple,
  turned,
} from './flow-samples.ts'

describe('planning the legs on the destination', () => {
  const leg = { protocol: 'tcp' as const, ...direct.original, mark: 5, windowScaleOriginal: 7, windowScaleReply: 9 }

  const unmarked = (one: Leg): number => one.mark
  const [service] = survey({ entries: [ownService] }).legs as [Leg]
  const [relayed] = survey({ entries: [masqueraded] }).legs as [Leg]

  it('inserts a translation, after deleting what the other end’s node has of it', () => {
    const atOtherEnd = entry(tuple(pod, 5001, '10.244.2.2', 5432))
    expect(planLegs([pod], [service], [atOtherEnd], unmarked).lines).to.deep.equal([
      'D tcp 10.244.1.5 5001 10.244.2.2 5432',
      'D tcp 10.244.1.5 5001 10.96.0.9 5432',
      'D tcp 10.244.1.5 5001 10.244.2.2 5432',
      'I tcp 10.244.1.5 5001 10.96.0.9 5432 snat=- dnat=10.244.2.2:5432 mark=0 wo=7 wr=9',
    ])
  })

  it('takes away a flow of this node that was given the port which stands between the ends of a flow to itself', () => {
    const [itself] = survey({ entries: [hairpin] }).legs as [Leg]
    expect(planLegs([pod], [itself], [], unmarked).lines.slice(0, -1)).to.deep.equal([
      'D tcp 10.244.1.5 5003 10.96.0.5 80',
      'D tcp 10.244.1.1 7777 10.244.1.5 8080',
      'D tcp 10.244.1.5 8080 10.244.1.1 7777',
    ])
  })

  it('marks a relayed flow, and leaves it alone on the node that stands in for it', () => {
    const lines = planLegs([pod], [relayed], [], () => markOf(2)).lines
    expect(lines[1]).to.equal(`I tcp 10.244.1.5 5002 203.0.113.1 443 snat=- dnat=- mark=${markOf(2)} wo=7 wr=9`)
    expect(planLegs([pod], [relayed], [masqueraded], unmarked)).to.deep.equal({ lines: [], inserted: [] })
  })

  it('translates anew what the node stands in for, in the same way, and nothing that is not open', () => {
    const closing = { ...nodePort, state: 5 }
    const lines = fixedLines(pod, [nodePort, throughService, closing, outgoing, masqueraded])
    const { original, reply } = nodePort
    const sides = `tcp ${original.source} ${original.sourcePort} ${original.destination} ${original.destinationPort}`
    const nat = `snat=${reply.destination}:${reply.destinationPort} dnat=${reply.source}:${reply.sourcePort}`
    expect(lines).to.deep.equal([`D ${sides}`, `I ${sides} ${nat} mark=${nodePort.mark} wo=7 wr=9`])
  })

  it('touches only what changed when the flows are followed', () => {
    const ended = survey({ entries: [direct] }).legs
    const plan = planChange({ added: [service], ended }, [direct, outgoing, hairpin], unmarked)
    expect(plan.lines).to.deep.equal([
      'D tcp 10.244.3.9 4000 10.244.1.5 80',
      'D tcp 10.244.1.5 5001 10.96.0.9 5432',
      'D tcp 10.244.1.5 5001 10.244.2.2 5432',
      'I tcp 10.244.1.5 5001 10.96.0.9 5432 snat=- dnat=10.244.2.2:5432 mark=0 wo=7 wr=9',
    ])
    expect(plan.inserted).to.deep.equal([service])
  })

  it('finds what the table lacks', () => {
    const legs = [service, relayed, leg]
    const mark = (one: Leg): number => (one.relayThrough ? markOf(2) : 0)
    const relayedEntry = entry(masqueraded.original, turned(masqueraded.original), { mark: markOf(2) })
    expect(missingLegs(legs, [ownService, relayedEntry, direct], mark)).to.deep.equal([])
    expect(missingLegs(legs, [ownService, relayedEntry, entry(direct.reply)], mark)).to.deep.equal([])
    const [closing] = survey({ entries: [{ ...direct, state: 5 }] }).legs as [Leg]
    expect(missingLegs([closing], [], mark)).to.deep.equal([])
    for (const state of [4, 7, 8]) expect(missingLegs([leg], [{ ...direct, state }], mark), 'ended or reset while held').to.deep.equal([])
    const wrong = missingLegs(legs, [entry(ownService.original), { ...relayedEntry, mark: 0 }], mark)
    expect(wrong).to.have.length(3)
    expect(wrong[0]).to.equal("tcp 10.244.1.5 5001 10.96.0.9 5432 to 10.244.2.2:5432 is not in the destination's connection table")
  })

  it('inserts what is not there, after deleting what a former stay may have left', () => {
    expect(planLegs([pod], [leg], [], unmarked)).to.deep.equal({
      lines: ['D tcp 10.244.3.9 4000 10.244.1.5 80', 'I tcp 10.244.3.9 4000 10.244.1.5 80 snat=- dnat=- mark=5 wo=7 wr=9'],
      inserted: [leg],
    })
  })

  it('replaces a plain entry, but does not own it', () => {
    const plan = planLegs([pod], [leg], [direct], unmarked)
    expect(plan.lines).to.have.length(2)
    expect(plan.inserted).to.deep.equal([])
  })

  it('never touches an entry of this node that translates: the deletion would match its reply', () => {
    const own = entry(tuple('10.244.3.9', 4000, '10.96.0.5', 80), tuple(pod, 80, '10.244.3.9', 4000))
    expect(planLegs([pod], [leg], [own], unmarked)).to.deep.equal({ lines: [], inserted: [] })
  })

  it('takes away plain entries of the address that are nobody’s any more', () => {
    expect(planLegs([pod], [], [direct, outgoing], unmarked).lines).to.deep.equal([
      'D tcp 10.244.3.9 4000 10.244.1.5 80',
      'D tcp 10.244.1.5 5000 10.244.2.2 5432',
    ])
  })
})
