// What comes over the wire is checked here, all problems at once; errors leave as HTTP codes with WireError.
import type { NextFunction, Request, Response } from 'express'
import type { z } from 'zod'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { Uid } from '../transfer/names.ts'

export function body<T>(schema: z.ZodType<T>, request: Request): T {
  const read = schema.safeParse(request.body ?? {})
  if (read.success) return read.data
  const problems = read.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`).join('; ')
  throw new CodedError('InvalidRequest', `Reading ${request.method} ${request.originalUrl}: ${problems}`)
}

export function uidOf(request: Request): string {
  const read = Uid.safeParse(request.params.uid)
  if (read.success) return read.data
  throw new CodedError('InvalidRequest', `Reading ${request.originalUrl.slice(0, 200)}: the migration's UID is none`)
}

const statuses: Record<string, number> = {
  InvalidRequest: 400,
  UnknownMigration: 404,
  WrongState: 409,
  NeverCommitted: 409,
  NeverAwaited: 404,
}

/** Express knows an error handler by its four parameters. */
export function answerError(error: unknown, request: Request, response: Response, _next: NextFunction): void {
  const code = error instanceof CodedError ? error.code : 'InternalError'
  const status = statuses[code] ?? (error instanceof CodedError ? 422 : 500)
  log.warn({ method: request.method, path: request.originalUrl, status, err: error }, 'request failed')
  if (!response.headersSent) response.status(status).json({ code, message: messageOf(error) })
}
