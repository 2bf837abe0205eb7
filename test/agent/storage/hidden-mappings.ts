// Where some process (the host's init, in some sandboxes) hides what it has mapped, the helper looks at everything. Tests that need to see it otherwise
// run once more, among processes of their own.
import { execFileSync } from 'node:child_process'
import { expect } from 'chai'

export function canSeeMappings(): boolean {
  return sh('cat /proc/[0-9]*/maps 2>&1 >/dev/null | grep -c denied || true') === '0\n'
}

/** The test of that full title, in the file. */
export function passesAmongItsOwn(title: string, file: string): void {
  expect(process.env.AMONG_ITS_OWN, 'mappings are hidden here as well').to.equal(undefined)
  const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--node-option', 'import=tsx', '--timeout', '60000', '--exit']
  const only = ['--fail-zero', '--fgrep', title, file]
  const env = { ...process.env, AMONG_ITS_OWN: '1' }
  execFileSync('unshare', ['--pid', '--fork', '--mount-proc', process.execPath, ...mocha, ...only], { env, stdio: 'pipe' })
}

function sh(script: string): string {
  return execFileSync('sh', ['-ec', script], { encoding: 'utf8' })
}
