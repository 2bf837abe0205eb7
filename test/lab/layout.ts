// Where a lab keeps its things: the cache is shared by all labs, the state belongs to one.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const labSource = fileURLToPath(new URL('.', import.meta.url))
export const projectRoot = join(labSource, '..', '..')

export function cacheDir(): string {
  return process.env['PODMOTION_CACHE'] ?? '/var/cache/podmotion-lab'
}

function statesDir(): string {
  return process.env['PODMOTION_LAB_STATE'] ?? '/var/lib/podmotion-lab'
}

export type Layout = {
  readonly state: string
  readonly record: string
  readonly pki: string
  readonly kubeconfigs: string
  readonly logs: string
  readonly hosts: string
}

export function layoutOf(name: string): Layout {
  const state = join(statesDir(), name)
  return {
    state,
    record: join(state, 'lab.json'),
    pki: join(state, 'pki'),
    kubeconfigs: join(state, 'kubeconfigs'),
    logs: join(state, 'logs'),
    hosts: join(state, 'hosts'),
  }
}
