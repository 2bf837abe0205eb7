// LowNodeUtilization: pods leave nodes that are too full for nodes that are nearly empty.
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const lowNodeUtilization: Strategy = {
  name: 'LowNodeUtilization',
  find: (wish, loads) => {
    const parsed = schema.safeParse(wish.lowNodeUtilization)
    if (parsed.success) return find(parsed.data, loads)
    const problems = parsed.error.issues.map((issue) => `lowNodeUtilization.${issue.path.join('.')}: ${issue.message}`)
    return { nothing: `the arguments are wrong: ${problems.join('; ')}` }
  },
}
