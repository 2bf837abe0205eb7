// A peer in one process: the unix socket that the source's agent serves, piped to the destination's rsync.
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { type AgentConfig, readConfig } from '../../../src/agent/config.ts'
import { fileStream } from '../../../src/agent/storage/transport.ts'
import { nativeHelper } from '../native-helper.ts'

export function configIn(folder: string): AgentConfig {
  const config = readConfig({
    NODE_NAME: 'a',
    NODE_IP: '192.0.2.1',
    HOST_ROOT: '/',
    RUN_DIR: path.join(folder, 'run'),
    STATE_DIR: path.join(folder, 'state'),
    KUBELET_DIR: path.join(folder, 'kubelet'),
  })
  return { ...config, helper: nativeHelper() }
}

export interface Peer {
  socket: string
  errors: string[]
  /** Ends what is connected: a link that broke. */
  dropStreams(): void
  close(): void
}

export async function startPeer(config: AgentConfig, socket: string): Promise<Peer> {
  const errors: string[] = []
  const streams = new Set<Socket>()
  const server: Server = createServer((stream) => {
    streams.add(stream)
    firstLine(stream)
      .then((line) => fileStream(line).serve(config, stream))
      .catch((error: Error) => {
        errors.push(error.message)
        stream.destroy()
      })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  const dropStreams = (): void => {
    for (const stream of streams) stream.destroy()
    streams.clear()
  }
  return { socket, errors, dropStreams, close: () => server.close() }
}

function firstLine(stream: Socket): Promise<string> {
  return new Promise((resolve) => {
    stream.once('readable', () => {
      const chunk: Buffer = stream.read()
      const end = chunk.indexOf(10)
      stream.unshift(chunk.subarray(end + 1))
      resolve(chunk.subarray(0, end).toString())
    })
  })
}
