// The connection marks of relayed flows: which of them are ours, and which routing table each leads to.

/** The top byte says that it is a mark of ours, the lowest names the node through which the flow goes; the rest is left to others. */
const relayMark = 0x0700_0000
const relayMask = 0xff00_0000
const anchorMask = 0xff00_00ff
const firstTable = 0x7000
export const relayPriority = 90
export const lastAnchor = 255
/** No node's number: on the destination of a move, new connections that wait ahead of the hold (new-connections.ts). */
export const waitingNumber = 0

/** For `conntrack dump --mark`. */
export const relayMarkPattern = `${relayMark}/${relayMask}`
export const relayMarkTest = (key: 'ct' | 'meta'): string => `${key} mark & 0x${relayMask.toString(16)} == 0x${hex(relayMark)}`

export function isRelayMark(mark: number): boolean {
  return (mark & relayMask) >>> 0 === relayMark
}

export function markOf(anchor: number): number {
  return relayMark | anchor
}

export function anchorNumber(mark: number): number {
  return mark & 0xff
}

/** The rest of a packet's mark is kube-proxy's and others'. */
export const setWaitingMark = `meta mark set meta mark & 0x${hex(~anchorMask >>> 0)} | 0x${hex(markOf(waitingNumber))}`
export const clearRelayMark = `meta mark set meta mark & 0x${hex(~anchorMask >>> 0)}`

export function tableOf(anchor: number): number {
  return firstTable + anchor
}

export function ruleOf(anchor: number): string {
  return `pref ${relayPriority} fwmark 0x${hex(markOf(anchor))}/0x${hex(anchorMask)} lookup ${tableOf(anchor)}`
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
