// Kubernetes Events: what `kubectl describe` shows under an object. The same event again only counts up; failing to write one harms nobody.
import { createHash } from 'node:crypto'
import type { CoreV1Event } from '@kubernetes/client-node'
import { log } from '../runtime/log.ts'
import { isAlreadyExists, type KubeClient } from './client.ts'
import { eventPath } from './paths.ts'

export interface EventSubject {
  kind: string
  apiVersion: string
  metadata: { name?: string; namespace?: string; uid?: string; resourceVersion?: string }
}

export interface EventText {
  type: 'Normal' | 'Warning'
  /** UpperCamelCase, stable: people filter by it. */
  reason: string
  message: string
  /** Told again it is not counted. */
  once?: true
}

const longestMessage = 1024
const component = 'podmotion'

export async function emitEvent(client: KubeClient, subject: EventSubject, text: EventText): Promise<void> {
  const namespace = subject.metadata.namespace ?? 'default'
  const event = buildEvent(subject, text, new Date().toISOString())
  try {
    await client.create<unknown>(eventPath(namespace), event)
  } catch (error) {
    if (!isAlreadyExists(error)) log.warn({ err: error, reason: text.reason }, 'event was not written')
    else if (!text.once) await countUp(client, eventPath(namespace, event.metadata.name))
  }
}

async function countUp(client: KubeClient, path: string): Promise<void> {
  try {
    const { count = 1 } = await client.get<CoreV1Event>(path)
    await client.mergePatch(path, { count: count + 1, lastTimestamp: new Date().toISOString() })
  } catch (error) {
    log.warn({ err: error }, 'event was not counted')
  }
}

/** The name is made from what it says, so that both replicas and every restart count the same event. */
export function buildEvent({ kind, apiVersion, metadata }: EventSubject, { type, reason, message }: EventText, now: string) {
  const { name = '', uid, resourceVersion } = metadata
  const namespace = metadata.namespace ?? 'default'
  const hash = createHash('sha256')
    .update(JSON.stringify([kind, uid, type, reason, message]))
    .digest('hex')
    .slice(0, 16)
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name.slice(0, 230)}.${hash}`, namespace },
    involvedObject: { kind, apiVersion, name, ...(metadata.namespace ? { namespace } : {}), uid, resourceVersion },
    type,
    reason,
    message: message.slice(0, longestMessage),
    source: { component },
    reportingComponent: component,
    reportingInstance: '',
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  }
}
