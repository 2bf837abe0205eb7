// Puts a process before all others when processors are short: a machine that does other things too must not decide what is measured.
import { writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

const most = -20

/** Without the right to do so it stays as it is. */
export function beFirstInLine(): void {
  try {
    setPriority(most)
    // Where sessions are groups of their own, the group's weight decides.
    writeFileSync('/proc/self/autogroup', String(most))
  } catch {}
}
