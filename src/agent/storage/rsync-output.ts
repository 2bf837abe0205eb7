// What rsync says of a pass: how much it sent, what, and what it did not find any more.

/** rsync's code for "some files vanished before they were read": a pre-sync of a running pod sees that all the time. */
export const vanishedExitCode = 24

/** Tells rsync's lines about files from those of --stats. */
export const nameMark = '> '

export function sentBytes(output: string): number {
  return Number(/^Total bytes sent: (\d+)/m.exec(output)?.[1] ?? 0)
}

/** Names that a pass sent, as bytes one a character; other lines have no mark. */
export function sentNames(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith(nameMark))
    .map((line) => unescaped(line.slice(nameMark.length)))
    .map((name) => name.replace(/\/$/, ''))
    .filter((name) => name !== '' && name !== '.')
}

/** Names, as `sentNames`, that a pass over FOLDER did not find any more; undefined: it did not say all that it did not see. */
export function unseenNames({ exitCode, stderr }: { exitCode: number; stderr: string }, folder: string): string[] | undefined {
  if (exitCode === 0) return []
  const lines = stderr.split('\n').filter((line) => line !== '')
  const isOnlyThat =
    exitCode === vanishedExitCode && lines.pop()?.startsWith('rsync warning: some files vanished before they could be transferred ')
  const names = lines.map((line) => /^(?:file|directory) has vanished: "(.*)"$/.exec(line)?.[1])
  const inside = names.flatMap((name) => (name?.startsWith(`${folder}/`) ? [unescaped(name.slice(folder.length + 1))] : []))
  return isOnlyThat && inside.length === lines.length ? inside : undefined
}

function unescaped(name: string): string {
  return name.replaceAll(/\\#([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
