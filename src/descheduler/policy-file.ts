// The policy file that the controller was given; a wrong one ends it with every problem, as the stock descheduler would end.
import { readFile } from 'node:fs/promises'
import { CodedError } from '../runtime/errors.ts'
import { type ReadStockPolicy, readPolicy } from './policy-text/read-policy.ts'

export async function readPolicyFile(file: string): Promise<ReadStockPolicy> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CodedError('NoPolicy', `Reading the policy ${file}`, { cause })
  })
  const read = readPolicy(text, file)
  if ('problems' in read) throw new CodedError('WrongPolicy', `Reading the policy:\n${read.problems.join('\n')}`)
  if ('stock' in read.policy) return { policy: read.policy.stock, document: read.document, file }
  throw new CodedError(
    'WrongPolicy',
    `Reading the policy ${file}: expected a DeschedulerPolicy, got a MigrationPolicy: apply it to the cluster`,
  )
}
