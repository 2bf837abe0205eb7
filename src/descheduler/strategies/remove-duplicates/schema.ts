// Arguments of RemoveDuplicates.
import { RemoveDuplicatesArguments } from '../../../api/descheduler-arguments.ts'
import { namespacesRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(RemoveDuplicatesArguments, namespacesRule)
