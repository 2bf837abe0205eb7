// Who calls: the common name of the client certificate, when our own authority signed it.
import type { TLSSocket } from 'node:tls'
import type { Request, RequestHandler } from 'express'

export type CallerOf = (request: Request) => string | undefined

export const callerByCertificate: CallerOf = (request) => {
  const socket = request.socket as Partial<TLSSocket>
  // The server only asks for a certificate, so an unknown one gets this far: `authorized` tells them apart.
  if (!socket.authorized) return undefined
  const name = socket.getPeerCertificate?.().subject?.CN
  return Array.isArray(name) ? name[0] : name
}

export function requireCaller(allowed: readonly string[], callerOf: CallerOf): RequestHandler {
  return (request, response, next) => {
    const caller = callerOf(request)
    if (caller !== undefined && allowed.includes(caller)) return next()
    response.status(403).json({
      Error: `${request.method} ${request.path} was called by ${caller ? `"${caller}"` : 'somebody without a certificate of our authority'}: use a client certificate of ${allowed.join(' or ')}`,
    })
  }
}
