// RemoveDuplicates: pods of one owner are spread over the nodes.
import type { RemoveDuplicatesArguments } from '../../../api/descheduler-arguments.ts'
import type { Strategy } from '../strategy.ts'
import { find } from './find.ts'
import { schema } from './schema.ts'

export const removeDuplicates: Strategy<RemoveDuplicatesArguments> = {
  name: 'RemoveDuplicates',
  extensionPoint: 'balance',
  schema,
  find,
}
