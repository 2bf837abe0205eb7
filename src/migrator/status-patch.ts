// The smallest merge patch (RFC 7386) that turns one value into another: null removes, lists are replaced whole.

type Json = Record<string, unknown>

/** undefined: nothing differs. */
export function mergePatchOf(before: Json, after: Json): Json | undefined {
  const patch: Json = {}
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const difference = differenceOf(before[key], after[key])
    if (difference !== undefined) patch[key] = difference
  }
  return Object.keys(patch).length > 0 ? patch : undefined
}

function differenceOf(before: unknown, after: unknown): unknown {
  if (after === undefined) return before === undefined ? undefined : null
  if (isObject(before) && isObject(after)) return mergePatchOf(before, after)
  return JSON.stringify(before) === JSON.stringify(after) ? undefined : after
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
