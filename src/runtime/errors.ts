// The error with a code: what a status, a wire answer and a metric can name, and whether trying again can help.

export interface CodedErrorOptions {
  retryable?: boolean
  cause?: unknown
}

export class CodedError extends Error {
  readonly code: string
  readonly retryable: boolean

  constructor(code: string, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'CodedError'
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** What a thrown value says, in one line; the breadcrumb of causes follows when a cause says something new. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.message || nameOf(error)
  const cause = error.cause === undefined ? '' : messageOf(error.cause)
  return cause && !own.includes(cause) ? `${own}: ${cause}` : own
}

/** Node's connection errors to a host with two addresses are AggregateErrors without a message, but with a code. */
function nameOf(error: Error): string {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : error.name
}
