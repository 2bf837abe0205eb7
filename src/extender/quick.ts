// What can be seen of a request without reading it: where its names are, and that its pod is an ordinary one. Pure.

const key = Buffer.from(',"Nodes":null,"NodeNames":')
const [quote, colon, brace] = [...Buffer.from('":}')] as [number, number, number]

export interface Seen {
  /** All that comes before the names: the pod. */
  before: string
  /** A list, as it came. */
  namesJson: Buffer
}

/**
 * Bytes, because a string for each of thousands of names, or for all of them, costs more than answering. Go writes the fields in the order of
 * the struct, and nothing in a pod looks like these two: no field or label of it is null there, and in a string the quotes would be escaped.
 * Undefined: it looks different.
 */
export function namesIn(body: Buffer): Seen | undefined {
  const start = body.indexOf(key)
  if (start < 0) return undefined
  const namesJson = body.subarray(start + key.length, body.lastIndexOf(brace))
  const last = namesJson.length - 1
  const isList = namesJson[0] === 0x5b && namesJson[1] === quote && namesJson[last - 1] === quote && namesJson[last] === 0x5d
  // A later version may have more fields behind the names; no name has a colon.
  if (!isList || last < 3 || namesJson.includes(colon)) return undefined
  return { before: body.toString('utf8', 0, start), namesJson }
}

/** Its RuntimeClass is not ours and no migration made it: such a pod would have our name somewhere, maybe in other letters than these. */
export function isOrdinary(podText: string): boolean {
  return podText.startsWith('{"Pod":{"') && !podText.includes('podmotion') && !podText.includes('\\u00')
}
