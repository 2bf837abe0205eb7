// A real kube-apiserver over a real etcd, both from the lab's cache and nothing else: what charts and CRDs are tried on.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'

const cache = process.env.PODMOTION_CACHE ?? '/var/cache/podmotion-lab'
const bootWithinMs = 60_000

export interface Identity {
  as: string
  /** Node of the token, as the API server knows it from a pod's service account. */
  node?: string
}

function newest(prefix: string, file: string): string | undefined {
  if (!existsSync(cache)) return undefined
  const folders = readdirSync(cache).filter((name) => name.startsWith(prefix))
  return folders.map((name) => join(cache, name, file)).find(existsSync)
}

export function apiServerParts() {
  const kubernetes = newest('kubernetes-', 'kube-all')
  const etcd = newest('node-root-', 'fs/usr/bin/etcd')
  const loader = newest('base-root-', 'fs/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2')
  return kubernetes && etcd && loader ? { kubernetes, etcd, loader } : undefined
}

type Parts = NonNullable<ReturnType<typeof apiServerParts>>

export class ApiServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'podmotion-api-'))
  readonly #processes: ChildProcess[] = []
  readonly #parts: Parts
  #port = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get kubeconfig(): string {
    return join(this.#folder, 'admin.yaml')
  }

  async start(): Promise<void> {
    const [clientPort, peerPort, port] = await freePorts(3)
    this.#port = port as number
    for (const name of ['kube-apiserver', 'kubectl']) symlinkSync(this.#parts.kubernetes, join(this.#folder, name))
    mkdirSync(join(this.#folder, 'pki'))
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    writeFileSync(join(this.#folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }))
    writeFileSync(join(this.#folder, 'tokens.csv'), 'secret,admin,admin,system:masters\n')
    this.#run(this.#parts.loader, this.#etcdArguments(`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`), 'etcd')
    this.#run(join(this.#folder, 'kube-apiserver'), this.#apiServerArguments(`http://127.0.0.1:${clientPort}`), 'kube-apiserver')
    writeFileSync(this.kubeconfig, this.#kubeconfig({ token: 'secret' }))
    await this.#ready()
  }

  async stop(): Promise<void> {
    // The API server waits for its etcd when it ends, so it goes first, and at once.
    for (const child of this.#processes.reverse()) {
      child.kill('SIGKILL')
      await new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', resolve) : resolve(0)))
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** What kubectl says, whether it succeeds or not. */
  kubectl(args: string[], input = '', identity?: Identity): string {
    const kubeconfig = identity ? this.#kubeconfigOf(identity) : this.kubeconfig
    try {
      const options = { input, encoding: 'utf8' as const, stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'] }
      return execFileSync(join(this.#folder, 'kubectl'), ['--kubeconfig', kubeconfig, ...args], options)
    } catch (error) {
      return (error as { stderr: string }).stderr
    }
  }

  #kubeconfigOf({ as, node }: Identity): string {
    const path = join(this.#folder, 'other.yaml')
    const extra = node === undefined ? {} : { 'as-user-extra': { 'authentication.kubernetes.io/node-name': [node] } }
    writeFileSync(path, this.#kubeconfig({ token: 'secret', as, ...extra }))
    return path
  }

  #kubeconfig(user: object): string {
    const cluster = { server: `https://127.0.0.1:${this.#port}`, 'certificate-authority': join(this.#folder, 'pki/apiserver.crt') }
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user }],
    })
  }

  #etcdArguments(client: string, peer: string): string[] {
    const { etcd, loader } = this.#parts
    const libraries = [etcd.replace(/bin\/etcd$/, 'lib/x86_64-linux-gnu'), loader.replace(/\/[^/]+$/, '')].join(':')
    const urls = ['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer]
    const peers = ['--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`]
    return ['--library-path', libraries, etcd, '--data-dir', join(this.#folder, 'etcd'), '--unsafe-no-fsync', ...urls, ...peers]
  }

  #apiServerArguments(etcd: string): string[] {
    const key = join(this.#folder, 'sa.key')
    const storage = ['--etcd-servers', etcd, '--service-cluster-ip-range', '10.96.0.0/16', '--endpoint-reconciler-type', 'none']
    const serving = ['--secure-port', String(this.#port), '--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1']
    const accounts = ['--service-account-issuer', 'https://kubernetes', '--service-account-signing-key-file', key]
    const trust = ['--service-account-key-file', key, '--token-auth-file', join(this.#folder, 'tokens.csv')]
    return [
      ...storage,
      ...serving,
      ...accounts,
      ...trust,
      '--cert-dir',
      join(this.#folder, 'pki'),
      '--authorization-mode',
      'RBAC',
      '--allow-privileged',
    ]
  }

  #run(command: string, args: string[], name: string): void {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', (data) => writeFileSync(join(this.#folder, `${name}.log`), data, { flag: 'a' }))
    this.#processes.push(child)
  }

  async #ready(): Promise<void> {
    const untilMs = Date.now() + bootWithinMs
    while (this.kubectl(['get', '--raw', '/readyz']) !== 'ok') {
      if (Date.now() > untilMs)
        throw new Error(`API server is not ready: ${readFileSync(join(this.#folder, 'kube-apiserver.log'), 'utf8').slice(-1000)}`)
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
