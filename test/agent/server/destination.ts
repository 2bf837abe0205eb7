// A destination agent over real mutual TLS, with a network that only writes down what it was told.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Checkpoints, checkpointPorts } from '../../../src/agent/checkpoint/checkpoints.ts'
import { type AgentConfig, readConfig } from '../../../src/agent/config.ts'
import type { AgentContext } from '../../../src/agent/context.ts'
import { DiskFiles } from '../../../src/agent/journal/disk-files.ts'
import { Journal } from '../../../src/agent/journal/journal.ts'
import { Moves } from '../../../src/agent/moves.ts'
import { Peer, Peers } from '../../../src/agent/peer/client.ts'
import { Registry } from '../../../src/agent/registry.ts'
import type { PodNetwork, PodStorage } from '../../../src/agent/rooms.ts'
import { serveAgent } from '../../../src/agent/server/app.ts'
import { tlsAgent } from '../../../src/runtime/tls.ts'
import { createAuthority, writeTlsFolder } from '../../runtime/certificates.ts'
import { awaitRequest } from '../samples.ts'

export class Destination {
  readonly base = mkdtempSync(path.join(tmpdir(), 'agent-'))
  readonly told: string[] = []
  /** What waited for the pod is carried in until then. */
  releaseWaitsFor: Promise<void> = Promise.resolve()
  /** Why it cannot be, as long as that is so. */
  releaseFails: string | undefined
  hasSandbox = true
  readonly config: AgentConfig
  registry!: Registry
  #server: Server | undefined
  #stop = new AbortController()

  constructor() {
    this.config = {
      ...readConfig({
        NODE_NAME: 'node-2',
        NODE_IP: '127.0.0.1',
        RUN_DIR: `${this.base}/run`,
        STATE_DIR: `${this.base}/state`,
        TLS_DIR: `${this.base}/agent`,
        POD_LOG_DIR: `${this.base}/logs`,
      }),
      agentPort: 0,
      helper: `${this.base}/helper`,
    }
  }

  async start(): Promise<void> {
    const authority = await createAuthority()
    for (const name of ['agent', 'controller', 'scheduler']) {
      mkdirSync(`${this.base}/${name}`)
      await writeTlsFolder(`${this.base}/${name}`, authority, `podmotion-${name}`)
    }
    mkdirSync(this.config.podLogDir)
    this.restoredSockets([])
    await this.live()
  }

  /** Another life of the agent over the same journal. */
  async live(): Promise<void> {
    this.#stop.abort()
    this.#server?.closeAllConnections()
    this.#stop = new AbortController()
    const moves = new Moves(new Journal(new DiskFiles(`${this.config.stateDir}/journal`)), 'node-2')
    const context: AgentContext = {
      config: this.config,
      moves,
      peers: new Peers(this.config.tlsDir),
      network: this.#network(),
      storage: {} as PodStorage,
      checkpoints: new Checkpoints(this.config, checkpointPorts(this.config, moves)),
      lease: async () => 'unknown',
    }
    this.registry = new Registry(context)
    this.#server = await serveAgent(
      { context, registry: this.registry, observe: async () => ({ eligible: true, reasons: [] }) },
      this.#stop.signal,
    )
    await this.registry.recover()
  }

  stop(): void {
    this.#stop.abort()
    this.#server?.closeAllConnections()
    rmSync(this.base, { recursive: true, force: true })
  }

  get address(): string {
    const { port } = (this.#server as Server).address() as AddressInfo
    return `127.0.0.1:${port}`
  }

  /** Calls as the bearer of that certificate. */
  as(name: 'agent' | 'controller' | 'scheduler'): Peer {
    return new Peer(this.address, tlsAgent(`${this.base}/${name}`, 'podmotion-agent'))
  }

  restoredSockets(sockets: object[]): void {
    writeFileSync(
      this.config.helper,
      `#!/bin/sh\n[ "$1" = traces ] && echo '[]' && exit\necho '${JSON.stringify({ sockets, reasons: [], options: [], refused: [] })}'\n`,
    )
    chmodSync(this.config.helper, 0o755)
  }

  meeting(container = 'main'): string {
    return path.join(this.config.runDir, 'awaited', `${awaitRequest.pod.namespace}_${awaitRequest.pod.name}`, container)
  }

  /** The CNI plugin and the OCI wrapper have done their part. */
  attach(): void {
    writeFileSync(path.join(this.meeting(), '..', 'attached'), 'hostveth=v\nhostmac=a\npodmac=b\ngateway=g\nnetns=/n\noldip=1\n')
  }

  #network(): PodNetwork {
    const note = (name: string) => async (): Promise<void> => void this.told.push(name)
    return {
      survey: async () => ({ legs: [], connections: 0, listeners: 0, openPorts: [], reasons: [] }),
      reserve: note('reserve'),
      prepare: note('prepare'),
      changedFlows: async () => ({ added: [], ended: [] }),
      rearm: note('rearm'),
      missingFlows: async () => [],
      sweepRelays: async () => new Map(),
      arm: note('arm'),
      hold: note('hold'),
      prepareHold: note('prepareHold'),
      awaitNew: note('awaitNew'),
      prepareDivert: note('prepareDivert'),
      sendNewOn: async () => [],
      divert: note('divert'),
      lock: note('lock'),
      release: async () => {
        await this.releaseWaitsFor
        this.told.push('release')
        if (this.releaseFails !== undefined) throw new Error(this.releaseFails)
        return this.hasSandbox
      },
      undo: note('undo'),
      wayBackEnds: note('wayBackEnds'),
      settle: note('settle'),
      sweepHome: note('settle'),
      apply: note('apply'),
      sweep: async () => [],
    }
  }
}
