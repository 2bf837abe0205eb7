// Our extender beside the lab's kube-scheduler: the real controller from this tree on the control host's network, with certificates of its own.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadTls, type TlsFiles } from '../../../src/runtime/tls.ts'
import { type TestAuthority, testAuthority } from '../../extender/certificates.ts'
import type { Lab } from '../lab.ts'
import { projectRoot } from '../layout.ts'
import { said } from '../said.ts'

const port = 8443
const metricsPort = 8081
const folder = '/etc/kubernetes/podmotion'

/** A program that runs beside the test. */
export interface Program extends PromiseLike<unknown> {
  readonly exitCode: number | null
  readonly pid?: number | undefined
  readonly stdin: { write(text: string): unknown } | null
  kill(signal: 'SIGKILL'): unknown
}

export interface ExtenderWish {
  weight: number
  nodeCacheCapable?: boolean
  /** Where the scheduler is sent: a relay before it, for instance. */
  port?: number
  httpTimeout?: string
}

export class OurExtender {
  readonly #lab: Lab
  readonly #authority: TestAuthority
  readonly #tlsDir: string
  readonly #scheduler: TlsFiles
  #controller: Program | undefined

  static async prepare(lab: Lab): Promise<OurExtender> {
    const crds = join(projectRoot, 'manifests', 'chart', 'files', 'crds')
    for (const file of await readdir(crds)) await lab.kubectl(['apply', '--server-side', '-f', join(crds, file)])
    await lab.kubectl(['create', 'namespace', 'podmotion'], { reject: false })
    const runtimeClass = { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'podmotion' }, handler: 'podmotion' }
    await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(runtimeClass) })
    await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(leadElsewhere()) })
    const authority = await testAuthority()
    const tlsDir = await authority.issue('podmotion-controller')
    return new OurExtender(lab, authority, tlsDir, loadTls(await authority.issue('podmotion-scheduler')))
  }

  private constructor(lab: Lab, authority: TestAuthority, tlsDir: string, scheduler: TlsFiles) {
    this.#lab = lab
    this.#authority = authority
    this.#tlsDir = tlsDir
    this.#scheduler = scheduler
  }

  get port(): number {
    return port
  }

  /** `before`: a command that starts it, for benches that keep what they measure apart from what else is busy. */
  async start({ before = [] }: { before?: readonly string[] } = {}): Promise<void> {
    const env = {
      KUBECONFIG: this.#lab.kubeconfigPath,
      TLS_DIR: this.#tlsDir,
      HTTPS_PORT: String(port),
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'warn',
    }
    const program = join(projectRoot, 'src', 'controller.ts')
    const [command = '', ...args] = [...before, process.execPath, '--import', 'tsx', program]
    this.#controller = this.#lab.control.runHere(command, args, {
      env,
      cwd: projectRoot,
      reject: false,
      stdio: ['ignore', 'ignore', 'inherit'],
    }) as unknown as Program
    await this.#ready()
  }

  /** As a crash does it. */
  async kill(): Promise<void> {
    this.#controller?.kill('SIGKILL')
    await this.#controller
    this.#controller = undefined
  }

  async remove(): Promise<void> {
    await this.kill()
    this.#authority.remove()
  }

  /** The entry of the scheduler's configuration, and the files that it refers to. */
  entry({ weight, nodeCacheCapable = true, port: sentTo = port, httpTimeout = '1s' }: ExtenderWish): object {
    return {
      urlPrefix: `https://127.0.0.1:${sentTo}`,
      filterVerb: 'filter',
      prioritizeVerb: 'prioritize',
      preemptVerb: 'preempt',
      weight,
      nodeCacheCapable,
      ignorable: true,
      httpTimeout,
      enableHTTPS: true,
      tlsConfig: {
        serverName: 'podmotion-controller',
        caFile: `${folder}/ca.crt`,
        certFile: `${folder}/tls.crt`,
        keyFile: `${folder}/tls.key`,
      },
    }
  }

  get files(): Record<string, string> {
    const { ca, cert, key } = this.#scheduler
    return { [`${folder}/ca.crt`]: ca, [`${folder}/tls.crt`]: cert, [`${folder}/tls.key`]: key }
  }

  /** Asked as the scheduler asks; needs `files` on the control host. */
  async ask<T>(verb: string, body: object): Promise<T> {
    const curl = ['-sS', '--fail-with-body', '--cacert', `${folder}/ca.crt`, '--cert', `${folder}/tls.crt`, '--key', `${folder}/tls.key`]
    const url = `https://127.0.0.1:${port}/${verb}`
    const { stdout } = await said(this.#lab.control.run('curl', [...curl, '--data-binary', '@-', url], { input: JSON.stringify(body) }))
    return JSON.parse(stdout) as T
  }

  async metrics(): Promise<string> {
    return (await said(this.#lab.control.run('curl', ['-sS', `http://127.0.0.1:${metricsPort}/metrics`]))).stdout
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; attempt < 300; attempt++) {
      const asked = await said(this.#lab.control.run('curl', ['-sf', `http://127.0.0.1:${metricsPort}/readyz`], { reject: false }))
      if (asked.exitCode === 0) return
      if (this.#controller?.exitCode !== null) break
      await sleep(200)
    }
    throw new Error('Starting the extender: the controller did not get ready, its own words are above')
  }
}

/** Another replica leads: ours answers the scheduler all the same, and leaves the migrations of a test alone. */
function leadElsewhere(): object {
  const now = new Date().toISOString().replace('Z', '000Z')
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'podmotion-controller', namespace: 'podmotion' },
    spec: { holderIdentity: 'elsewhere', leaseDurationSeconds: 7200, acquireTime: now, renewTime: now, leaseTransitions: 0 },
  }
}
