// The CRDs in the chart are those of the schemas, and are structural: nothing in them that the API server would refuse or prune.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import { kinds } from '../../scripts/crd-definitions.ts'
import { generatedFiles } from '../../scripts/generate.ts'
import { chart } from './helm.ts'

type Schema = Record<string, any>

const folder = join(chart, 'files/crds')

function* walk(schema: Schema, path: string): Generator<[string, Schema]> {
  yield [path, schema]
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield* walk(property as Schema, `${path}.${name}`)
  if (schema.items) yield* walk(schema.items, `${path}[]`)
  if (typeof schema.additionalProperties === 'object') yield* walk(schema.additionalProperties, `${path}{}`)
}

describe('generated CRDs', () => {
  const files = generatedFiles()
  const crd = (plural: string) => parse(files.get(`${plural}.yaml`) ?? '')
  const rootSchema = (plural: string): Schema => crd(plural).spec.versions[0].schema.openAPIV3Schema

  it('are up to date', () => {
    expect(readdirSync(folder).sort()).to.deep.equal([...files.keys()].sort())
    for (const [name, text] of files) expect(readFileSync(join(folder, name), 'utf8'), `${name}: npm run generate`).to.equal(text)
  })

  for (const { plural } of kinds) {
    it(`${plural} are structural: each part has one type and no word that CRDs do not know`, () => {
      const allowed = new Set(
        'type format description default enum minimum maximum minLength maxLength minItems maxItems pattern items properties required additionalProperties x-kubernetes-validations nullable'.split(
          ' ',
        ),
      )
      for (const [path, schema] of walk(rootSchema(plural), plural)) {
        expect(schema.type, path).to.be.a('string')
        for (const word of Object.keys(schema)) expect(allowed.has(word), `${path}: ${word}`).to.equal(true)
        expect(schema.properties !== undefined && schema.additionalProperties !== undefined, path).to.equal(false)
      }
    })

    it(`${plural} have a status of their own and columns that exist`, () => {
      const { spec } = crd(plural)
      expect(spec.versions[0].subresources).to.deep.equal({ status: {} })
      const paths = new Set([...walk(rootSchema(plural), '')].map(([path]) => path.replaceAll('[]', '')))
      for (const { jsonPath } of spec.versions[0].additionalPrinterColumns) {
        const known = jsonPath.startsWith('.metadata.') || paths.has(jsonPath.replaceAll('[*]', ''))
        expect(known, jsonPath).to.equal(true)
      }
    })
  }

  it('keep the defaults and limits of the contract', () => {
    const { properties, required } = rootSchema('podmigrations').properties.spec
    expect(required).to.deep.equal(['podName', 'podNamespace'])
    expect(properties.preCopyMaxRounds).to.deep.include({ default: 5, minimum: 1, maximum: 20 })
    expect(properties.completionTimeoutSeconds).to.deep.include({ default: 600, minimum: 30 })
    expect(properties.freezeWindowBudgetMs).to.deep.include({ default: 500, minimum: 50, maximum: 10_000 })
    expect(properties.tcpPreservationMode).to.deep.include({ default: 'None', enum: ['Strict', 'BestEffort', 'None'] })
    expect(properties.podName['x-kubernetes-validations'][0].rule).to.equal('self == oldSelf')
  })
})
