// Takes the first line off a stream and leaves what follows in it.
import type { Duplex } from 'node:stream'

const maximumLineBytes = 9000

export function readFirstLine(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0)
    const settle = (done: () => void): void => {
      stream.off('readable', onReadable)
      stream.off('close', onClose)
      stream.off('end', onClose)
      done()
    }
    const onClose = (): void => settle(() => reject(new Error('Reading the first line: the stream ended before it')))
    const onReadable = (): void => {
      for (let chunk = stream.read() as Buffer | null; chunk; chunk = stream.read() as Buffer | null) {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf(10)
        if (end >= 0) {
          return settle(() => {
            if (end + 1 < head.length) stream.unshift(head.subarray(end + 1))
            resolve(head.toString('utf8', 0, end))
          })
        }
        if (head.length > maximumLineBytes)
          return settle(() => reject(new Error(`Reading the first line: longer than ${maximumLineBytes} bytes`)))
      }
    }
    stream.on('readable', onReadable)
    stream.once('close', onClose)
    stream.once('end', onClose)
    onReadable()
  })
}
