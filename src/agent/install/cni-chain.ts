// Puts our plugin at the end of a CNI configuration list, and takes it out again, leaving the rest as it is.
import { z } from 'zod'

export const pluginName = 'podmotion-cni'

const ConfigurationList = z.looseObject({ plugins: z.array(z.looseObject({ type: z.string() })).min(1) })
type ConfigurationList = z.infer<typeof ConfigurationList>

/** libcni takes the first of these in the order of names; a `.conf` holds one plugin and cannot be chained. */
export function chosenConfiguration(names: readonly string[]): string | undefined {
  return [...names].sort().find((name) => !name.startsWith('.') && /\.(conf|conflist|json)$/.test(name))
}

export function isChained(text: string): boolean {
  return listOf(text)?.plugins.some((plugin) => plugin.type === pluginName) ?? false
}

/** Undefined: the text is no configuration list. */
export function chained(text: string): string | undefined {
  const list = listOf(text)
  if (!list) return undefined
  // Last: it needs the result of all others, and whoever adds a plugin behind it later is put right at the next look.
  const others = list.plugins.filter((plugin) => plugin.type !== pluginName)
  return formatted({ ...list, plugins: [...others, { type: pluginName }] }, text)
}

export function unchained(text: string): string | undefined {
  const list = listOf(text)
  if (!list) return undefined
  return formatted({ ...list, plugins: list.plugins.filter((plugin) => plugin.type !== pluginName) }, text)
}

export function sameConfiguration(one: string, other: string): boolean {
  return JSON.stringify(parsed(one)) === JSON.stringify(parsed(other))
}

/** In the file's own style of indentation. */
function formatted(value: unknown, like: string): string {
  const indent = /\n([ \t]+)"/.exec(like)?.[1] ?? '  '
  return `${JSON.stringify(value, null, indent)}\n`
}

/** The parsed text itself, not zod's copy: that one has another order of keys. */
function listOf(text: string): ConfigurationList | undefined {
  const value = parsed(text)
  return ConfigurationList.safeParse(value).success ? (value as ConfigurationList) : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
