// Carries the containers' logs over, so that `kubectl logs` of the destination has no hole: most before the freeze, the rest inside it.
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { ImageSender } from '../transfer/image-sender.ts'

interface Sent {
  file: string
  bytes: number
}

export class ContainerLogs {
  readonly #folder: string
  readonly #containers: readonly string[]
  readonly #sent = new Map<string, Sent>()

  constructor(podLogFolder: string, containers: readonly string[]) {
    this.#folder = podLogFolder
    this.#containers = containers
  }

  /** What came since the last call. After a rotation only the new file goes: rotated ones stay with the source. */
  async send(sender: ImageSender): Promise<void> {
    for (const container of this.#containers) {
      const file = currentLog(path.join(this.#folder, container))
      if (file === undefined) continue
      const known = this.#sent.get(container)
      const bytes = statSync(file).size
      const from = known?.file === file && known.bytes <= bytes ? known.bytes : 0
      if (bytes > from) await sender.sendLog(container, file, from, bytes)
      this.#sent.set(container, { file, bytes })
    }
  }
}

/** kubelet names them by restart count. */
export function currentLog(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined
  const newest = readdirSync(folder)
    .map((name) => /^(\d+)\.log$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => b - a)[0]
  return newest === undefined ? undefined : path.join(folder, `${newest}.log`)
}
