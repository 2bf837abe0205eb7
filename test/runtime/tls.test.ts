// TLS servers and agents: who is let in, who is who, and that changed certificates are taken over by running programs.
import { writeFileSync } from 'node:fs'
import type { Server } from 'node:https'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { log } from '../../src/runtime/log.ts'
import { clientName, loadTls, requireClient, serveHttps, tlsAgent } from '../../src/runtime/tls.ts'
import { type Authority, createAuthority, tlsFolder, writeTlsFolder } from './certificates.ts'

const reloadEveryMs = 60

interface Answer {
  status: number
  body: string
}

function ask(server: Server, agent: https.Agent | https.AgentOptions): Promise<Answer> {
  const { port } = server.address() as AddressInfo
  const options = agent instanceof https.Agent ? { agent } : { agent: new https.Agent(agent) }
  return new Promise((resolve, reject) => {
    const request = https.get({ host: '127.0.0.1', port, path: '/x', ...options }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
    })
    request.on('error', reject)
  })
}

const failed = (promise: Promise<unknown>) =>
  promise.then(
    () => 'answered',
    (error: { code?: string }) => error.code ?? String(error),
  )

describe('TLS', () => {
  let authority: Authority
  let agentFolder: string
  let controllerFolder: string
  let ending: AbortController
  const removals: (() => void)[] = []

  const folderFor = async (signer: Authority, name: string) => {
    const { folder, remove } = await tlsFolder(signer, name)
    removals.push(remove)
    return folder
  }
  const serve = (clientCertificates: 'require' | 'request' | 'none') =>
    serveHttps(
      (request, response) => void response.end(`hello ${clientName(request)}`),
      { port: 0, host: '127.0.0.1', tlsDir: agentFolder, clientCertificates, reloadEveryMs },
      ending.signal,
    )

  before(() => {
    log.level = 'silent'
  })
  after(() => {
    log.level = 'info'
  })
  beforeEach(async () => {
    ending = new AbortController()
    authority = await createAuthority()
    agentFolder = await folderFor(authority, 'podmotion-agent')
    controllerFolder = await folderFor(authority, 'podmotion-controller')
  })
  afterEach(() => {
    ending.abort()
    for (const remove of removals.splice(0)) remove()
  })

  it('names the missing file and what to do', () => {
    expect(() => loadTls('/nowhere')).to.throw(/Reading certificates in \/nowhere: .*tls\.crt.*: mount the chart's TLS secret there/)
  })

  it('knows a client by its certificate, and the server by its name rather than its address', async () => {
    const server = await serve('require')
    const agent = tlsAgent(controllerFolder, 'podmotion-agent', reloadEveryMs)
    expect((await ask(server, agent)).body).to.equal('hello podmotion-controller')
    agent.destroy()
    expect(await failed(ask(server, tlsAgent(controllerFolder, 'podmotion-controller')))).to.equal('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  it('lets nobody in whom another CA signed', async () => {
    const server = await serve('require')
    const stranger = await folderFor(await createAuthority('another'), 'podmotion-controller')
    const { cert, key } = loadTls(stranger)
    const { ca } = loadTls(controllerFolder)
    expect(await failed(ask(server, { cert, key, ca, servername: 'podmotion-agent' }))).not.to.equal('answered')
    expect(await failed(ask(server, { ca, servername: 'podmotion-agent' }))).not.to.equal('answered')
  })

  it('with "request" lets anybody in, but does not believe a name that another CA signed', async () => {
    const server = await serve('request')
    const stranger = await folderFor(await createAuthority('another'), 'podmotion-controller')
    const { cert, key } = loadTls(stranger)
    const { ca } = loadTls(controllerFolder)
    expect((await ask(server, { ca, servername: 'podmotion-agent' })).body).to.equal('hello undefined')
    expect((await ask(server, { cert, key, ca, servername: 'podmotion-agent' })).body).to.equal('hello undefined')
  })

  it('refuses clients that a route does not want, and says who may', async () => {
    const guard = requireClient('podmotion-scheduler')
    const options = { port: 0, host: '127.0.0.1', tlsDir: agentFolder, clientCertificates: 'request' as const }
    const server = await serveHttps((request, response) => guard(request, response, () => response.end('in')), options, ending.signal)
    const refused = await ask(server, tlsAgent(controllerFolder, 'podmotion-agent', reloadEveryMs))
    expect(refused.status).to.equal(403)
    expect(JSON.parse(refused.body)).to.deep.equal({
      code: 'ClientNotAllowed',
      message: 'Answering GET /x: client certificate podmotion-controller: use the one of podmotion-scheduler',
    })
    const scheduler = await folderFor(authority, 'podmotion-scheduler')
    expect((await ask(server, tlsAgent(scheduler, 'podmotion-agent'))).body).to.equal('in')
  })

  it('takes over a new CA on both sides without a restart', async () => {
    const server = await serve('require')
    const before = loadTls(controllerFolder)
    const next = await createAuthority('next')
    await writeTlsFolder(agentFolder, next, 'podmotion-agent')
    await writeTlsFolder(controllerFolder, next, 'podmotion-controller')
    const agent = tlsAgent(controllerFolder, 'podmotion-agent', reloadEveryMs)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await ask(server, agent)).body).to.equal('hello podmotion-controller')
    expect(await failed(ask(server, { ...before, servername: 'podmotion-agent' })), 'the old CA').not.to.equal('answered')
    agent.destroy()
  })

  it('keeps the old certificates on both sides while the files are half-written', async () => {
    const agent = tlsAgent(controllerFolder, 'podmotion-agent', reloadEveryMs)
    const server = await serve('require')
    for (const [folder, name] of [
      [agentFolder, 'podmotion-agent'],
      [controllerFolder, 'podmotion-controller'],
    ] as const) {
      const other = await folderFor(authority, name)
      writeFileSync(`${folder}/tls.crt`, loadTls(other).cert)
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await ask(server, agent)).body).to.equal('hello podmotion-controller')
    agent.destroy()
  })
})
