// Brings the API server to this machine's own network, for clients that live in the calling process.
import { rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { control } from './hosts.ts'

export type ApiProxy = {
  readonly server: string
  // As the lab's own one, with the address of the proxy.
  readonly kubeconfig: string
  readonly kubeconfigPath: string
  close(): Promise<void>
}

export type ProxyInput = {
  readonly folder: string
  readonly kubeconfig: string
  // Starts a program of this machine on the control host's network; the answer ends it.
  startRelay(program: string, args: string[]): () => void
}

// Sockets with a path do not belong to any network: they join the two.
const relaySource = `
  const net = require('node:net')
  const [path, host] = process.argv.slice(1)
  net.createServer((near) => {
    const far = net.connect(6443, host)
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  }).listen(path)
`

export async function startApiProxy({ folder, kubeconfig, startRelay }: ProxyInput): Promise<ApiProxy> {
  const name = `api-${process.pid}-${Math.random().toString(36).slice(2, 8)}`
  const socket = join(folder, `${name}.sock`)
  const endRelay = startRelay(process.execPath, ['-e', relaySource, socket, control.address])
  const listener = await listen(socket)
  const server = `https://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const ours = readdress(kubeconfig, server)
  const kubeconfigPath = join(folder, `${name}.kubeconfig`)
  await writeFile(kubeconfigPath, ours, { mode: 0o600 })
  const close = async () => {
    listener.close()
    endRelay()
    await Promise.all([socket, kubeconfigPath].map((file) => rm(file, { force: true })))
  }
  await reachable(socket)
  return { server, kubeconfig: ours, kubeconfigPath, close }
}

function readdress(kubeconfig: string, server: string): string {
  const config = parse(kubeconfig) as { clusters: { cluster: { server: string } }[] }
  for (const { cluster } of config.clusters) cluster.server = server
  return stringify(config)
}

function listen(socket: string): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(socket)
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
  // A forgotten proxy does not keep the process alive.
  server.unref()
  return new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server)))
}

async function reachable(socket: string): Promise<void> {
  for (let attempt = 0; attempt < 250; attempt++) {
    if (await answers(socket)) return
    await sleep(20)
  }
  throw new Error(`Starting the proxy to the API server: nothing listens on ${socket}`)
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket, () => resolve(true))
    probe.once('error', () => resolve(false)).once('connect', () => probe.destroy())
  })
}
