// What the API server answered instead of an object, as an error that says what was asked, what was answered, and why.

export interface KubeStatus {
  kind?: string
  message?: string
  reason?: string
  code?: number
  details?: { retryAfterSeconds?: number; causes?: { field?: string; message?: string; reason?: string }[] }
}

export class KubeError extends Error {
  readonly status: number
  readonly reason: string
  readonly details: KubeStatus['details']

  constructor(request: string, status: number, body: string) {
    const answer = parseStatus(body)
    super(`${request}: API server answered ${status} ${answer.reason ?? ''} (${answer.message ?? body.slice(0, 500)})`)
    this.name = 'KubeError'
    this.status = status
    this.reason = answer.reason ?? 'Unknown'
    this.details = answer.details
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404
}

/** Somebody else changed the object in between: a wait, not a failure. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason !== 'AlreadyExists'
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists'
}

/** The resource version is too old for the API server: only a new list helps. */
export function isGone(error: unknown): boolean {
  return error instanceof KubeError && error.status === 410
}

function parseStatus(body: string): KubeStatus {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
