// Writes the CRDs of the chart from the zod schemas; with --check only tells, and fails, when they are out of date.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { kinds } from './crd-definitions.ts'
import { customResourceDefinition } from './crd-schema.ts'

const folder = join(import.meta.dirname, '../manifests/chart/files/crds')
const header = '# Made from the schemas in src/api by `npm run generate`: change them there.\n'

export function generatedFiles(): Map<string, string> {
  const text = (crd: object) => header + stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false })
  return new Map(kinds.map((definition) => [`${definition.plural}.yaml`, text(customResourceDefinition(definition))]))
}

function readExisting(): Map<string, string> {
  mkdirSync(folder, { recursive: true })
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

function outOfDate(wished: Map<string, string>, existing: Map<string, string>): string[] {
  const names = new Set([...wished.keys(), ...existing.keys()])
  return [...names].filter((name) => wished.get(name) !== existing.get(name))
}

function main(): void {
  const wished = generatedFiles()
  const changed = outOfDate(wished, readExisting())
  if (process.argv.includes('--check')) {
    if (changed.length === 0) return
    console.error(`Checking generated files: out of date: ${changed.join(', ')}: run npm run generate and commit what it writes`)
    process.exitCode = 1
    return
  }
  for (const name of changed) {
    const text = wished.get(name)
    if (text === undefined) rmSync(join(folder, name))
    else writeFileSync(join(folder, name), text)
  }
  console.log(changed.length === 0 ? 'generated files are up to date' : `written: ${changed.join(', ')}`)
}

if (import.meta.filename === process.argv[1]) main()
