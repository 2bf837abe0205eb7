// Asks the application on the destination, as spec.applicationProbe says: TCP connects, HTTP wants an answer below 400.
import http from 'node:http'
import net from 'node:net'
import type { ApplicationProbe } from '../api/pod-migration.ts'
import { messageOf } from '../runtime/errors.ts'
import type { ProbeAnswer } from './observed.ts'

/** Never throws: a failed probe is an answer. */
export async function askApplication(ip: string, probe: ApplicationProbe): Promise<ProbeAnswer> {
  const timeoutMs = probe.timeoutSeconds * 1000
  try {
    return probe.protocol === 'HTTP' ? await askHttp(ip, probe, timeoutMs) : await askTcp(ip, probe.port, timeoutMs)
  } catch (error) {
    return { ok: false, message: `${probe.protocol} ${ip}:${probe.port}: ${messageOf(error)}` }
  }
}

function askTcp(ip: string, port: number, timeoutMs: number): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: ip, port, timeout: timeoutMs })
    socket.once('connect', () => {
      socket.destroy()
      resolve({ ok: true, message: `TCP ${ip}:${port} accepts connections` })
    })
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    socket.once('error', reject)
  })
}

function askHttp(ip: string, probe: ApplicationProbe, timeoutMs: number): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: ip, port: probe.port, path: probe.path ?? '/', signal: AbortSignal.timeout(timeoutMs) }
    const request = http.get(options, (response) => {
      response.resume()
      const status = response.statusCode ?? 0
      resolve({ ok: status >= 200 && status < 400, message: `HTTP ${options.path} answered ${status}` })
    })
    request.on('error', reject)
  })
}
