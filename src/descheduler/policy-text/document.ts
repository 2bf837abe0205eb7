// A YAML (or JSON) text with the positions of its values, so that a problem can say where it is.
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml'

export type Path = readonly (string | number)[]

export interface PolicyDocument {
  /** Without fields that are null: they are the same as left out, as in Go. */
  value: unknown
  /** What the YAML itself has against it. */
  errors: { position: string; message: string }[]
  /** `line:column` of the value at the path, or of what would hold it. */
  positionOf(path: Path): string
}

export function readDocument(text: string): PolicyDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${line}:${col}`
  }
  return {
    value: document.errors.length > 0 ? undefined : withoutNulls(document.toJS()),
    errors: document.errors.map(({ pos, message }) => ({ position: at(pos[0]), message })),
    positionOf: (path) => at(offsetOf(document, path)),
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, one]) => one !== null)
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutNulls(one)]))
}

function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents
  let found = startOf(node) ?? 0
  for (const step of path) {
    const pair = isMap(node) ? (node.items as Pair[]).find(({ key }) => isScalar(key) && String(key.value) === String(step)) : undefined
    const next = isSeq(node) ? node.items[Number(step)] : pair?.value
    const start = startOf(next) ?? startOf(pair?.key)
    if (start === undefined) return found
    // A map is where its key is: its first field's position would say little.
    found = isScalar(next) || !pair ? start : (startOf(pair.key) ?? start)
    node = isAlias(next) ? next.resolve(document) : next
  }
  return found
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}
