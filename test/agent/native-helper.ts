// The real native programs, built if they are not up to date.
import { execFileSync } from 'node:child_process'
import path from 'node:path'

const native = path.resolve(import.meta.dirname, '../../native')

export function nativeHelper(): string {
  return nativeProgram('helper')
}

export function nativeProgram(name: 'helper' | 'runc'): string {
  const file = `build/podmotion-${name}`
  execFileSync('make', ['--silent', '-C', native, file])
  return path.join(native, file)
}
