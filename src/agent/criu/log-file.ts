// What criu says went wrong: the last Error lines of its log, for the message a user reads.
import { readFile } from 'node:fs/promises'

const quotedLines = 2

/** Pure: the last errors of a criu log, without time stamps and source positions that help nobody. */
export function lastErrors(text: string): string | undefined {
  const errors = text.split('\n').filter((line) => /\bError\b/.test(line))
  if (errors.length === 0) return undefined
  return errors
    .slice(-quotedLines)
    .map((line) =>
      line
        .replace(/^\([\d.]+\)\s*/, '')
        .replace(/^\s*\d+:\s*/, '')
        .trim(),
    )
    .join('; ')
}

export async function criuErrors(logFile: string): Promise<string | undefined> {
  const text = await readFile(logFile, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : lastErrors(text)
}
