// Labels of namespaces for selectors: asked for when needed, remembered for half a minute.
import type { V1Namespace } from '@kubernetes/client-node'
import type { KubeClient } from '../kube/client.ts'
import { namespacePath } from '../kube/paths.ts'
import type { Clock } from '../runtime/clock.ts'
import { log } from '../runtime/log.ts'

export type NamespaceLabels = Readonly<Record<string, string>>

const rememberMs = 30_000

export class Namespaces {
  readonly #client: KubeClient
  readonly #clock: Clock
  readonly #known = new Map<string, { labels: NamespaceLabels; untilMs: number }>()

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  async labelsOf(name: string): Promise<NamespaceLabels> {
    const known = this.#known.get(name)
    if (known && known.untilMs > this.#clock.nowMs()) return known.labels
    // Every namespace has this label, so selectors by name work even when the API server does not answer.
    const own = { 'kubernetes.io/metadata.name': name }
    try {
      const namespace = await this.#client.get<V1Namespace>(namespacePath(name))
      const labels = { ...own, ...namespace.metadata?.labels }
      this.#known.set(name, { labels, untilMs: this.#clock.nowMs() + rememberMs })
      return labels
    } catch (error) {
      log.warn({ err: error, namespace: name }, 'labels of the namespace were not read')
      return known?.labels ?? own
    }
  }

  async labelsOfAll(names: Iterable<string>): Promise<Map<string, NamespaceLabels>> {
    const unique = [...new Set(names)]
    const labels = await Promise.all(unique.map((name) => this.labelsOf(name)))
    return new Map(unique.map((name, position) => [name, labels[position] ?? {}]))
  }
}
