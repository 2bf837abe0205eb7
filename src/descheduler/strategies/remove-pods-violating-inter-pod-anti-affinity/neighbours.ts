// Pods by namespace and label: a term asks few of them, not every pod of a large namespace.
import type { V1Pod, V1PodAffinityTerm } from '@kubernetes/client-node'

export class Neighbours {
  readonly #groups = new Map<string, Set<V1Pod>>()

  constructor(pods: readonly V1Pod[]) {
    for (const pod of pods)
      for (const key of keysOf(pod)) {
        const group = this.#groups.get(key)
        if (group) group.add(pod)
        else this.#groups.set(key, new Set([pod]))
      }
  }

  /** All that the term can select, and perhaps some more. */
  near(namespace: string, term: V1PodAffinityTerm): Iterable<V1Pod> {
    const [label] = Object.entries(term.labelSelector?.matchLabels ?? {})
    return this.#groups.get(label ? keyOf(namespace, ...label) : namespace) ?? []
  }

  delete(pod: V1Pod): void {
    for (const key of keysOf(pod)) this.#groups.get(key)?.delete(pod)
  }
}

function keysOf({ metadata }: V1Pod): string[] {
  const namespace = metadata?.namespace ?? ''
  return [namespace, ...Object.entries(metadata?.labels ?? {}).map(([key, value]) => keyOf(namespace, key, value))]
}

function keyOf(namespace: string, key: string, value: string): string {
  return `${namespace} ${key}=${value}`
}
