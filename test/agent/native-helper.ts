// The real podmotion-helper, built if it is not up to date.
import { execFileSync } from 'node:child_process'
import path from 'node:path'

const native = path.resolve(import.meta.dirname, '../../native')

export function nativeHelper(): string {
  execFileSync('make', ['--silent', '-C', native, 'build/podmotion-helper'])
  return path.join(native, 'build/podmotion-helper')
}
