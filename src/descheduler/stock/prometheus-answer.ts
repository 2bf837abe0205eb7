// What Prometheus answers to a query: a vector of samples labelled `instance`.
import { z } from 'zod'
import { CodedError } from '../../runtime/errors.ts'

const Answer = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('vector'),
    result: z.array(z.object({ metric: z.object({ instance: z.string() }), value: z.tuple([z.number(), z.string()]) })),
  }),
})

export function isPrometheusAnswer(value: unknown): boolean {
  return Answer.safeParse(value).success
}

/** Node name to its share. */
export function sharesOf(value: unknown): ReadonlyMap<string, number> {
  const { data } = Answer.parse(value)
  const shares = new Map(data.result.map(({ metric, value: [, text] }) => [metric.instance, Number(text)]))
  for (const [node, share] of shares)
    if (!(share >= 0 && share <= 1)) throw new CodedError('WrongMetrics', `node ${node}: expected a value from 0 to 1, got ${share}`)
  return shares
}
