// Python that does what it is told: one process of the outside host, and through it one in a pod, whose sockets a test can open and look into.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { runtimeClassName } from '../../../src/api/names.ts'
import type { Lab } from '../lab.ts'

const program = readFileSync(path.join(import.meta.dirname, 'prompt.py'), 'utf8')
const port = 7100

const connect = (podIp: string): string => `
line = socket.create_connection((${JSON.stringify(podIp)}, ${port}), 10).makefile("rw")
def there(source):
    line.write(json.dumps(source) + "\\n")
    line.flush()
    answer = json.loads(line.readline())
    if "error" in answer: raise Exception("in the pod: " + answer["error"])
    return answer["value"]
`

export class Prompt {
  readonly #process: { stdin: { write(text: string): unknown; end(): void } }
  readonly #lines: AsyncIterator<string>

  private constructor(lab: Lab) {
    const running = lab.client.run('python3', ['-u', '-c', program], { reject: false, stdin: 'pipe' })
    this.#process = running
    this.#lines = createInterface({ input: running.stdout })[Symbol.asyncIterator]()
  }

  static async to(lab: Lab, podIp: string): Promise<Prompt> {
    const prompt = new Prompt(lab)
    await prompt.outside(connect(podIp))
    return prompt
  }

  /** What an expression is worth there, or nothing for statements. */
  async outside<T = unknown>(source: string): Promise<T> {
    this.#process.stdin.write(`${JSON.stringify(source)}\n`)
    const { value: line } = await this.#lines.next()
    const answer = JSON.parse(String(line)) as { value: T; error?: string }
    if (answer.error !== undefined) throw new Error(`Running ${source}: ${answer.error}`)
    return answer.value
  }

  async inPod<T = unknown>(source: string): Promise<T> {
    return await this.outside<T>(`there(${JSON.stringify(source)})`)
  }

  close(): void {
    this.#process.stdin.end()
  }
}

/** A bare pod with that Python in it. */
export function promptPod(name: string, nodeName: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      runtimeClassName,
      nodeName,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'prompt',
          image: 'podmotion.local/app:1',
          imagePullPolicy: 'Never',
          command: ['python3', '-u', '-c', program, 'serve', String(port)],
        },
      ],
    },
  }
}
