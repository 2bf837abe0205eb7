// One record of the journal as one line of text with its checksum, and a whole file of them read back.
import { crc32 } from 'node:zlib'
import type { JournalRecord } from '../protocol/move.ts'

const version = 1

export function encodeLine(record: JournalRecord): string {
  const body = JSON.stringify(record)
  return `${version} ${checksum(body)} ${body}\n`
}

export interface JournalText {
  records: JournalRecord[]
  /** Bytes that are whole records; what follows is the torn end of a write that never returned. */
  wholeBytes: number
}

/** A torn last line is the world's; a broken line before it is a broken disk, and nobody may guess what it said. */
export function decodeLines(text: string): JournalText {
  const lines = text.split('\n')
  const records: JournalRecord[] = []
  let wholeBytes = 0
  for (const [index, line] of lines.entries()) {
    const record = index === lines.length - 1 ? undefined : decodeLine(line)
    if (!record && lines.slice(index + 1).some((later) => decodeLine(later)))
      throw new Error(`Reading a journal: line ${index + 1} is damaged: ${line.slice(0, 80)}`)
    if (!record) break
    records.push(record)
    wholeBytes += Buffer.byteLength(line) + 1
  }
  return { records, wholeBytes }
}

function decodeLine(line: string): JournalRecord | undefined {
  const [found, sum, ...rest] = line.split(' ')
  const body = rest.join(' ')
  if (sum !== checksum(body)) return undefined
  if (Number(found) !== version)
    throw new Error(`Reading a journal: it has version ${found}, this agent reads version ${version}: run the agent that wrote it`)
  return JSON.parse(body) as JournalRecord
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0')
}
