// A pod whose program knows what its memory must hold, and the one connection over which it is asked, through all its moves: heap.c, or the
// native tests' memory.c, which forks, maps and moves memory without pause.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { runtimeClassName } from '../../../src/api/names.ts'
import type { Lab } from '../lab.ts'
import { projectRoot } from '../layout.ts'
import type { World } from '../product/world.ts'

/** shared: MAP_SHARED and anonymous, as PostgreSQL's buffers; memfd: a named one, which criu keeps to itself. */
export const heapKinds = ['private', 'shared', 'memfd'] as const
export type HeapKind = (typeof heapKinds)[number]

export const heapApp = 'heap'

const sources = {
  heap: join(import.meta.dirname, 'heap.c'),
  memory: join(projectRoot, 'native', 'test', 'fixtures', 'memory.c'),
}
type ProgramName = keyof typeof sources

/** Small enough to travel in the pod's command: the images stay as they are. */
async function built(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'podmotion-heap-'))
  try {
    const program = join(folder, 'program')
    await execa('gcc', ['-O2', '-s', '-pthread', '-o', program, source])
    return (await readFile(program)).toString('base64')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export class HeapPod {
  readonly #process: ReturnType<typeof startRelay>
  readonly #lines: AsyncIterator<string>

  /** One that has filled its memory and answers. */
  static async start(world: World, program: ProgramName, args: readonly string[]): Promise<HeapPod> {
    await HeapPod.remove(world)
    const applied = await world.apply(manifest(await built(sources[program]), args))
    if (applied.exitCode !== 0) throw new Error(`Deploying ${program} ${args.join(' ')}: ${applied.all}`)
    const pod = await world.pod(heapApp)
    return new HeapPod(world.lab, pod.status?.podIP ?? '')
  }

  static async remove(world: World): Promise<void> {
    await world.remove(`deployment/${heapApp}`)
    await world.until('the end of the pods of heap', async () => (await world.list('pods', '-l', `app=${heapApp}`)).length === 0)
  }

  private constructor(lab: Lab, address: string) {
    this.#process = startRelay(lab, address)
    this.#lines = this.#process.iterable()[Symbol.asyncIterator]() as AsyncIterator<string>
  }

  async ask(line: string): Promise<string> {
    this.#process.stdin.write(`${line}\n`)
    return await this.hear()
  }

  async hear(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('Talking to the heap: its connection has ended')
    return value
  }

  /** Closes the connection; the pod stays. */
  async close(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process
  }
}

// Until the program listens, too.
const relay = `
import socket, sys, threading, time
while True:
    try: peer = socket.create_connection((sys.argv[1], 7000)); break
    except OSError: time.sleep(0.1)
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def back():
    while data := peer.recv(4096): sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
    sys.exit()
threading.Thread(target=back, daemon=True).start()
for line in sys.stdin: peer.sendall(line.encode())
`

function startRelay(lab: Lab, address: string) {
  return lab.client.run('python3', ['-c', relay, address], { reject: false, stdio: ['pipe', 'pipe', 'inherit'] })
}

function manifest(program: string, args: readonly string[]): object {
  const command = `echo ${program} | base64 -d > /var/tmp/heap && chmod 755 /var/tmp/heap && exec /var/tmp/heap ${args.join(' ')}`
  const labels = { app: heapApp }
  const spec = {
    runtimeClassName,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    affinity: { nodeAffinity: prefer('node-1') },
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      {
        name: heapApp,
        image: 'podmotion.local/app:1',
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/sh', '-c', command],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        resources: { requests: { cpu: '100m', memory: '64Mi' } },
      },
    ],
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: heapApp, namespace: 'default' },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}

function prefer(nodeName: string): object {
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }
  return { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [expression] } }] }
}
