// The words between two agents. Every request names its migration; the destination answers only for one that the controller told it of.
import { z } from 'zod'
import { moveSteps } from '../../api/agent-wire.ts'
import { ContainerName } from '../transfer/names.ts'

//   POST /v1/peer/:uid/standing  Standing request -> Standing      the stand-ins wait, the sandbox is attached
//   POST /v1/peer/:uid/stores    {}               -> Stores        a store for each container's memory
//   POST /v1/peer/:uid/arm-restore ArmRestore     -> {}            criu has started and waits for the images
//   POST /v1/peer/:uid/arm       Arm              -> Steps
//   POST /v1/peer/:uid/rearm     Rearm            -> {}            flows that began or ended since
//   POST /v1/peer/:uid/prepare-hold {}            -> {}            journals that the hold may begin
//   POST /v1/peer/:uid/await-new {}               -> {}            new connections wait from here on
//   POST /v1/peer/:uid/hold      {}               -> Steps
//   POST /v1/peer/:uid/restore   Restore          -> Restored      all gates reached
//   POST /v1/peer/:uid/grant     Grant            -> Committed     committed and running, or an error after which /outcome is asked
//   POST /v1/peer/:uid/outcome   {}               -> Outcome       final once given
//   POST /v1/peer/:uid/abort     { reason }       -> {}
//   POST /v1/peer/:uid/divert    Divert           -> {}            on the home node
//   Upgrade /v1/peer/:uid/images                                   transfer/frame.ts
//   Upgrade /v1/peer/:uid/pages/:container                         memory ahead (native/README.md), from tracker to store
//   Upgrade /v1/peer/:uid/lend/:container                          memory that stayed at the source, from lender to store (mode PostCopy)
//   Upgrade /v1/peer/:uid/files                                    one rsync each, its token first (storage/transport.ts)

/** Goes up when an agent of before would take a word, or the order of words, for something else. */
export const peerProtocol = 2

const address = z.union([z.ipv4(), z.ipv6()])
const addresses = z.array(address).min(1).max(2)
const port = z.int().min(0).max(65535)

export const StandingRequest = z.object({ podUid: z.string().regex(/^[0-9a-zA-Z][0-9a-zA-Z-]{0,63}$/) })
export const Standing = z.object({ standing: z.boolean(), missing: z.string().optional(), bundles: z.record(ContainerName, z.string()) })
export type Standing = z.infer<typeof Standing>

/**
 * `available` false: this node cannot take memory ahead; everything then comes with the images. `packed`: it takes contents as LZ4 blocks too;
 * `later`: it asks for what stayed at the source.
 */
export const Stores = z.object({ available: z.boolean(), packed: z.boolean().default(false), later: z.boolean().default(false) })
export type Stores = z.infer<typeof Stores>

export const ArmRestore = z.object({ lazy: z.boolean() })
export type ArmRestore = z.infer<typeof ArmRestore>

const WireEndpoint = z.object({ address, port })

const WireLeg = z.object({
  protocol: z.enum(['tcp', 'udp']),
  source: address,
  sourcePort: port,
  destination: address,
  destinationPort: port,
  mark: z.int().min(0).max(0xffffffff),
  windowScaleOriginal: z.int().min(0).max(14),
  windowScaleReply: z.int().min(0).max(14),
  destinationNat: WireEndpoint.optional(),
  sourceNat: WireEndpoint.optional(),
  relayThrough: address.optional(),
  closing: z.boolean().optional(),
})
const WireLegs = z.array(WireLeg).max(200_000)

export const Arm = z.object({ legs: WireLegs, openPorts: z.array(port).default([]), podUid: StandingRequest.shape.podUid })
export type Arm = z.infer<typeof Arm>

/** Flows of the source that began or ended since it told the last ones. */
export const Rearm = z.object({ added: WireLegs, ended: WireLegs })
export type Rearm = z.infer<typeof Rearm>

/** One TCP socket as podmotion-helper sees it. */
export const SocketNumbers = z.object({
  local: z.string().nullable(),
  remote: z.string().nullable(),
  state: z.string(),
  sndSeq: z.int().optional(),
  rcvSeq: z.int().optional(),
  sndQueue: z.int().optional(),
  rcvQueue: z.int().optional(),
})
export type SocketNumbers = z.infer<typeof SocketNumbers>

/** `PROTOCOL LOCAL REMOTE|- LEVEL:NAME=VALUE… join=GROUP…`: options that criu does not carry (native/README.md, `sockets`). */
export const SocketOptions = z
  .string()
  .max(4096)
  .regex(/^(tcp|udp) \S+ \S+( (\d+:\d+=[\w-]+|join=[\d.]+))+$/)
export type SocketOptions = z.infer<typeof SocketOptions>

export const Restore = z.object({ options: z.array(SocketOptions).default([]) })

export const WireStep = z.object({ step: z.enum(moveSteps), atMs: z.number(), node: z.string() })

export const Steps = z.object({ steps: z.array(WireStep) })
export type Steps = z.infer<typeof Steps>

export const Restored = z.object({
  sockets: z.array(SocketNumbers),
  missingFlows: z.array(z.string()).default([]),
  steps: z.array(WireStep),
})
export type Restored = z.infer<typeof Restored>

export const Grant = z.object({ deadlineMs: z.int().min(0).max(60_000) })
export const Committed = z.object({ steps: z.array(WireStep), holdMs: z.number().optional() })
export type Committed = z.infer<typeof Committed>

export const Outcome = z.object({
  outcome: z.enum(['committed', 'never']),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
  steps: z.array(WireStep).default([]),
})
export type Outcome = z.infer<typeof Outcome>

/** The source's answer. */
export const GoesOn = z.object({ goesOn: z.boolean() })

export const Divert = z.object({
  ips: addresses,
  destinationNodeIps: addresses,
  /** Nothing else yet: flows whose ports this node, where it stands in for one end, gives nobody until the move is over. */
  reserve: WireLegs.optional(),
  /** Only what changes nothing for the pod's packets yet. */
  ahead: z.boolean().default(false),
  undo: z.boolean().default(false),
  settle: z.boolean().default(false),
})
export type Divert = z.infer<typeof Divert>

export const Nothing = z.object({})
