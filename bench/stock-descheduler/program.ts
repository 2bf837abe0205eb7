// The real stock descheduler, built once from its Go module into the cache.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

const module = 'sigs.k8s.io/descheduler'
const version = 'v0.36.0'
const buildTimeoutMs = 20 * 60_000

const folder = join(process.env.PODMOTION_CACHE ?? '/var/cache/podmotion-lab', 'stock-descheduler')
const source = join(folder, 'go/pkg/mod', `${module}@${version}`)

/** Its path; building takes some minutes and one time only. Throws where there is no Go or no module proxy. */
export async function stockDescheduler(): Promise<string> {
  const program = join(folder, `descheduler-${version}`)
  if (existsSync(program) && existsSync(source)) return program
  const env = { GOPATH: join(folder, 'go'), GOCACHE: join(folder, 'build'), GOFLAGS: '-modcacherw' }
  mkdirSync(folder, { recursive: true })
  // Built in a copy of it, as its own authors do: its go.mod replaces a module, and `go install` of a version refuses that.
  await execa('go', ['mod', 'download', `${module}@${version}`], { env, cwd: folder, timeout: buildTimeoutMs })
  const copy = join(folder, 'copy')
  await execa('cp', ['-rT', source, copy])
  await execa('go', ['build', '-p', '2', '-o', program, './cmd/descheduler'], { env, cwd: copy, timeout: buildTimeoutMs })
  return program
}

/** The policies of its documentation, as they are: name to text. stockDescheduler() first. */
export function documentedPolicies(): Map<string, string> {
  const policies = new Map<string, string>()
  for (const name of readdirSync(join(source, 'examples')))
    policies.set(`examples/${name}`, readFileSync(join(source, 'examples', name), 'utf8'))
  for (const file of ['README.md', 'docs/user-guide.md'])
    for (const [index, text] of yamlBlocks(readFileSync(join(source, file), 'utf8')).entries()) policies.set(`${file}#${index + 1}`, text)
  return policies
}

function yamlBlocks(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```ya?ml\n([\s\S]*?)^```/gm)].map(([, text]) => text ?? '')
  return blocks.filter((text) => /^kind: "?DeschedulerPolicy"?$/m.test(text) && /^apiVersion: "?descheduler\/v1alpha2"?$/m.test(text))
}
