// What each pod really uses, as the kubelets measure it: what metrics-server would have read.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../../test/lab/lab.ts'
import { said } from '../../test/lab/said.ts'

interface Summary {
  pods?: { podRef: { uid: string }; cpu?: { usageNanoCores?: number } }[]
}

const everyMs = 5000

export class KubeletUsage {
  readonly #lab: Lab
  readonly #millis = new Map<string, number>()

  constructor(lab: Lab) {
    this.#lab = lab
  }

  /** Thousandths of a processor; 0: nothing is known of the pod (yet). */
  of(podUid: string | undefined): number {
    return this.#millis.get(podUid ?? '') ?? 0
  }

  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await Promise.all(this.#lab.nodes.map(({ name }) => this.#read(name)))
      await sleep(everyMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async #read(nodeName: string): Promise<void> {
    const path = `/api/v1/nodes/${nodeName}/proxy/stats/summary`
    const { stdout, exitCode } = await said(this.#lab.kubectl(['get', '--raw', path], { reject: false }))
    if (exitCode !== 0) return
    const { pods = [] } = JSON.parse(stdout) as Summary
    for (const { podRef, cpu } of pods) if (cpu?.usageNanoCores !== undefined) this.#millis.set(podRef.uid, cpu.usageNanoCores / 1e6)
  }
}
