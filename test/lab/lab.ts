// The lab as tests, demo and benches use it.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Options, ResultPromise } from 'execa'
import { type ApiProxy, startApiProxy } from './api-proxy.ts'
import { powerOff, powerOn } from './boot/power.ts'
import { type LabRecord, readRecord } from './boot/record.ts'
import { isRunning, removeLab } from './boot/remove.ts'
import { bootLab, startKubelet } from './boot/up.ts'
import { nodeObject } from './config/nodes.ts'
import { schedulerFolder } from './config/services.ts'
import { client, control, node, nodes } from './hosts.ts'
import { loadProductImages } from './images/load.ts'
import { type Layout, layoutOf } from './layout.ts'
import { Machine } from './machine.ts'
import { type LabOptions, labOptions } from './options.ts'
import { said } from './said.ts'

export class Lab {
  readonly options: LabOptions
  readonly layout: Layout
  readonly control: Machine
  readonly client: Machine
  readonly #record: LabRecord

  // Boots a lab (setting up what is missing) and waits until its nodes are Ready.
  static async up(given: Partial<LabOptions> = {}): Promise<Lab> {
    const lab = await bootLab(labOptions(given))
    const images = await lab.loadImages()
    if (images.length > 0) console.log(`lab: loaded ${images.join(', ')}`)
    return lab
  }

  // A lab that is already up.
  static attach(name: string = labOptions().name): Lab {
    const record = readRecord(name)
    if (!record || !isRunning(name)) throw new Error(`Attaching to lab ${name}: it is not up; start it with \`make lab\``)
    return new Lab(record)
  }

  static isUp(name: string = labOptions().name): boolean {
    return isRunning(name)
  }

  // Also takes away what a dead lab left.
  static async remove(name: string = labOptions().name): Promise<void> {
    await removeLab(name)
  }

  private constructor(record: LabRecord) {
    this.#record = record
    this.options = record.options
    this.layout = layoutOf(record.options.name)
    this.control = this.host(control.name)
    this.client = this.host(client.name)
  }

  get versions(): string {
    return this.#record.setUp.versions
  }

  // The process that holds everything: ending it ends the lab.
  get outerPid(): number {
    return this.#record.outer.pid
  }

  // Valid on the lab's network: give it to programs started with `control.runHere` or `client.runHere`.
  get kubeconfigPath(): string {
    return join(this.layout.kubeconfigs, 'admin')
  }

  get nodes(): Machine[] {
    return nodes(this.options.nodes).map((host) => this.host(host.name))
  }

  host(name: string): Machine {
    return new Machine(name, this.layout)
  }

  node(name: string): Machine {
    if (!nodes(this.options.nodes).some((host) => host.name === name)) {
      throw new Error(`Looking up node ${name}: this lab has node-1 to node-${this.options.nodes}`)
    }
    return this.host(name)
  }

  async down(): Promise<void> {
    await removeLab(this.options.name)
  }

  kubectl<const Given extends Options>(args: readonly string[], options?: Given): ResultPromise<Given> {
    return this.control.runHere(this.kubectlPath, ['--kubeconfig', this.kubeconfigPath, ...args], options)
  }

  get kubectlPath(): string {
    return join(this.#record.setUp.nodeLowers.split(':')[0] ?? '', 'usr', 'local', 'bin', 'kubectl')
  }

  helm<const Given extends Options>(args: readonly string[], options?: Given): ResultPromise<Given> {
    const home = join(this.layout.state, 'helm')
    const env = { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home, KUBECONFIG: this.kubeconfigPath, ...options?.env }
    return this.control.runHere(join(this.#record.setUp.helm, 'helm'), args, { ...options, env } as unknown as Given)
  }

  // For clients in this very process, which is not on the lab's network. Close it after use.
  async apiProxy(): Promise<ApiProxy> {
    const kubeconfig = await readFile(this.kubeconfigPath, 'utf8')
    const startRelay = (program: string, args: string[]) => {
      const relay = this.control.runHere(program, args, { reject: false, stdio: 'ignore' })
      relay.unref()
      return () => void relay.kill('SIGKILL')
    }
    return startApiProxy({ folder: this.layout.state, kubeconfig, startRelay })
  }

  async waitApi(): Promise<void> {
    const pki = '/etc/kubernetes/pki'
    const ask = `curl -sf --max-time 2 --cacert ${pki}/ca.crt --cert ${pki}/kubelet-client.crt --key ${pki}/kubelet-client.key https://${control.address}:6443/readyz`
    for (let attempt = 0; attempt < 600; attempt++) {
      if (!(await this.control.run('sh', ['-c', ask], { reject: false })).failed) return
      await sleep(100)
    }
    throw new Error(`Waiting for the API server: it did not get ready, see ${join(this.layout.logs, 'control', 'kube-apiserver.log')}`)
  }

  // The product's images as they are now, into the containerd of every running node.
  async loadImages(): Promise<string[]> {
    return loadProductImages(this, this.#record.setUp.baseImages)
  }

  // Swaps the scheduler's configuration. `files` (path on the control host → content) are what it refers to.
  async restartScheduler(configuration: string, files: Record<string, string> = {}): Promise<void> {
    await mkdir(this.layout.state, { recursive: true })
    for (const [path, content] of Object.entries(files)) await this.control.write(path, content)
    await this.control.write(`${schedulerFolder}/config.yaml`, configuration)
    await this.control.run('systemctl', ['restart', 'kube-scheduler'])
    await this.#waitScheduler()
  }

  // One that ends again and again has a wrong configuration: no need to wait for longer.
  async #waitScheduler(): Promise<void> {
    const pids = new Set<string>()
    for (let attempt = 0; attempt < 150 && pids.size <= 3; attempt++) {
      const health = await this.control.run('curl', ['-skf', 'https://127.0.0.1:10259/healthz'], { reject: false })
      if (!health.failed) return
      const { stdout } = await said(this.control.run('systemctl', ['show', 'kube-scheduler', '-p', 'MainPID', '--value']))
      if (stdout !== '0') pids.add(stdout)
      await sleep(200)
    }
    // A start first writes its flags, more than fit here, and the process that runs now may not have come to its reason.
    const log = await this.control.run('sh', ['-c', 'grep -v FLAG: /var/log/lab/kube-scheduler.log | tail -n 20'])
    throw new Error(`Restarting the scheduler: it does not get healthy with this configuration:\n${log.stdout}`)
  }

  // Pulls the plug of a node: no process of it stops in order, its disk stays.
  async killNode(name: string): Promise<void> {
    await powerOff(this.#record, this.#nodeHost(name))
  }

  // Plugs it in again; a Node object that was deleted meanwhile is made anew.
  async startNode(name: string): Promise<void> {
    const host = this.#nodeHost(name)
    await powerOn(this.#record, host)
    await this.kubectl(['create', '-f', '-'], { input: JSON.stringify(nodeObject(host, this.options)), reject: false })
    await startKubelet(this, host)
  }

  #nodeHost(name: string) {
    this.node(name)
    return node(Number(name.replace('node-', '')))
  }
}
