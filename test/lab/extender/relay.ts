// A relay before the extender that can be made slow: each number on standard input is the delay in milliseconds from then on. Arguments: port, port of the extender.
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

const [port, far] = process.argv.slice(2).map(Number)
let delayMs = 0
createInterface({ input: process.stdin }).on('line', (line) => {
  delayMs = Number(line)
})

createServer((near) => {
  const other = connect(far ?? 0, '127.0.0.1')
  near.on('data', (data) => setTimeout(() => other.write(data), delayMs))
  other.pipe(near)
  near.on('error', () => other.destroy()).on('close', () => other.destroy())
  other.on('error', () => near.destroy())
}).listen(port, '127.0.0.1')
