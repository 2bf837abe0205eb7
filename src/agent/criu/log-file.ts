// What criu says went wrong, for the message a user reads.
import { readFile } from 'node:fs/promises'

/** The first error is the cause, the later ones are its consequences on the way out. */
const quotedLines = 2
/** Said without CAP_SYS_RESOURCE, and of a process that is younger than the last pre-dump; criu goes on. */
const harmless = /RLIMIT_NOFILE for self|No parent image found, though parent directory is set/

export function firstErrors(text: string): string | undefined {
  const errors = text.split('\n').filter((line) => /\bError\b/.test(line) && !harmless.test(line))
  if (errors.length === 0) return undefined
  return errors
    .slice(0, quotedLines)
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
  return text === undefined ? undefined : firstErrors(text)
}
