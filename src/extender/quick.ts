// What can be seen of a request without reading it: where its names are, and that its pod is an ordinary one. Pure.

const key = '"NodeNames":'

export interface Seen {
  /** All that comes before the names: the pod. */
  before: string
  namesJson: string
}

/**
 * Go writes the fields in the order of the struct, so the names are what follows the last such key. It cannot be inside of a string, where its
 * quotes would be escaped. Undefined: it looks different.
 */
export function namesIn(text: string): Seen | undefined {
  const start = text.lastIndexOf(key)
  if (start < 0) return undefined
  const namesJson = text.slice(start + key.length, text.lastIndexOf('}'))
  // A later version may have more fields behind the names.
  if (!namesJson.startsWith('["') || !namesJson.endsWith('"]') || namesJson.includes('":')) return undefined
  return { before: text.slice(0, start), namesJson }
}

/** Its RuntimeClass is not ours and no migration made it: such a pod would have our name somewhere, maybe in other letters than these. */
export function isOrdinary(podText: string): boolean {
  return podText.startsWith('{"Pod":{"') && !podText.includes('podmotion') && !podText.includes('\\u00')
}
