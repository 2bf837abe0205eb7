// Destinations of one pod as people read them: a line a node with the parts of its score, then every reason against it.
import type { V1Pod } from '@kubernetes/client-node'
import type { RankedNode } from '../extender/rank.ts'
import { table } from './output.ts'

export function describeRanking({ metadata, spec }: V1Pod, ranked: readonly RankedNode[]): string {
  const parts = Object.keys(ranked[0]?.parts ?? {})
  const header = ['NODE', 'FITS', 'SCORE', ...parts.map((part) => part.replace(/[A-Z]/g, (letter) => `-${letter}`).toUpperCase())]
  const rows = ranked.map((node) => [
    node.nodeName,
    node.fits ? 'yes' : 'no',
    String(node.score),
    ...parts.map((part) => String(node.parts[part] ?? '')),
  ])
  const reasons = ranked.flatMap(({ nodeName, reasons: against }) =>
    against.map(({ code, message, remedy }) => `${nodeName}: ${code}: ${message}${remedy ? ` (${remedy})` : ''}\n`),
  )
  return `pod ${metadata?.namespace}/${metadata?.name} runs on ${spec?.nodeName ?? 'no node yet'}\n${table(header, rows)}${reasons.join('')}`
}
