// Labels of namespaces for selectors: asked for when a selector needs them, remembered for half a minute.
import type { V1Namespace } from '@kubernetes/client-node'
import type { LabelSelector } from '../api/migration-policy.ts'
import type { KubeClient } from '../kube/client.ts'
import { namespacePath } from '../kube/paths.ts'
import type { Clock } from '../runtime/clock.ts'
import { log } from '../runtime/log.ts'

export type NamespaceLabels = Readonly<Record<string, string>>

const nameLabel = 'kubernetes.io/metadata.name'

const rememberMs = 30_000

export class Namespaces {
  readonly #client: KubeClient
  readonly #clock: Clock
  readonly #known = new Map<string, { labels: NamespaceLabels; untilMs: number }>()

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Throws when they cannot be read and never were: a guess could take a pod out of the scope that protects it. */
  async labelsOf(name: string): Promise<NamespaceLabels> {
    const known = this.#known.get(name)
    if (known && known.untilMs > this.#clock.nowMs()) return known.labels
    try {
      const namespace = await this.#client.get<V1Namespace>(namespacePath(name))
      const labels = { ...nameOnly(name), ...namespace.metadata?.labels }
      this.#known.set(name, { labels, untilMs: this.#clock.nowMs() + rememberMs })
      return labels
    } catch (error) {
      if (!known) throw error
      log.warn({ err: error, namespace: name }, 'labels of the namespace were not read, using the last known')
      return known.labels
    }
  }

  async labelsOfAll(names: Iterable<string>): Promise<Map<string, NamespaceLabels>> {
    const unique = [...new Set(names)]
    const labels = await Promise.all(unique.map((name) => this.labelsOf(name)))
    return new Map(unique.map((name, position) => [name, labels[position] ?? {}]))
  }
}

/** Every namespace has this label; selectors that ask for nothing else need no question to the API server. */
export function nameOnly(name: string): NamespaceLabels {
  return { [nameLabel]: name }
}

export function asksForMoreThanNames(selector: LabelSelector | undefined): boolean {
  const keys = [...Object.keys(selector?.matchLabels ?? {}), ...(selector?.matchExpressions ?? []).map(({ key }) => key)]
  return keys.some((key) => key !== nameLabel)
}
