// A zod schema as the structural OpenAPI schema that the API server takes, and a kind as its CustomResourceDefinition.
import { z } from 'zod'
import { group, version } from '../src/api/names.ts'
import type { KindDefinition } from './crd-definitions.ts'

type Schema = Record<string, unknown>

export function structuralSchema(schema: z.ZodType): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    unrepresentable: 'throw',
    override: ({ jsonSchema }) => tidy(jsonSchema as Schema),
  }) as Schema
  return rest
}

export function customResourceDefinition(definition: KindDefinition): object {
  const { kind, plural, shortNames, scope, columns } = definition
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List`, shortNames, categories: ['podmotion'] },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: rootSchema(definition) },
          subresources: { status: {} },
          additionalPrinterColumns: columns,
        },
      ],
    },
  }
}

function rootSchema({ description, spec, status }: KindDefinition): Schema {
  return {
    description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structuralSchema(spec),
      status: structuralSchema(status),
    },
  }
}

/** What zod says and a structural schema must not, or need not, say. */
function tidy(schema: Schema): void {
  delete schema.propertyNames // keys of a record: always strings here
  if (schema.additionalProperties === false) delete schema.additionalProperties
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.type === 'integer') schema.format = 'int64'
}
