// Renders the chart with a real Helm: from HELM, the PATH, or the lab's cache.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

export const chart = join(import.meta.dirname, '../../manifests/chart')

export interface Rendered {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> }
  [field: string]: any
}

export function findHelm(): string | undefined {
  const cache = process.env.PODMOTION_CACHE ?? '/var/cache/podmotion-lab'
  const onPath = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'helm'))
  const cached = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('helm-')) : []
  const inCache = cached.map((name) => join(cache, name, 'helm'))
  const candidates = [process.env.HELM ?? '', ...onPath, ...inCache]
  return candidates.find((path) => path !== '' && existsSync(path))
}

/** Values are set as JSON, so that types stay what they are. */
export function render(helm: string, values: Record<string, unknown> = {}): Rendered[] {
  const output = execFileSync(helm, templateArgs(values), { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return parseAllDocuments(output)
    .map((document) => {
      if (document.errors.length > 0) throw new Error(`rendered YAML: ${document.errors[0]?.message}`)
      return document.toJS() as Rendered | null
    })
    .filter((object) => object !== null)
}

/** What Helm says when it refuses these values. */
export function refusal(helm: string, values: Record<string, unknown>): string {
  const { status, stderr } = spawnSync(helm, templateArgs(values), { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (status === 0) throw new Error('was not refused')
  return stderr
}

function templateArgs(values: Record<string, unknown>): string[] {
  const sets = Object.entries(values).flatMap(([path, value]) => ['--set-json', `${path}=${JSON.stringify(value)}`])
  return ['template', 'podmotion', chart, '--namespace', 'podmotion', ...sets]
}
