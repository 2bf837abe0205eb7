// How long criu kept a container's processes stopped, out of its `stats-dump` (stats.proto). Pure.

/** Two magic numbers and the length of what follows. */
const headerBytes = 12
const serviceMagic = 0x55105940
/** In a stats_entry: the dump_stats_entry. */
const dumpField = 1
/** In a dump_stats_entry, both in microseconds. */
const freezingTime = 1
const frozenTime = 2

/** undefined: this is no such file. */
export function pauseMs(file: Buffer): number | undefined {
  if (file.length < headerBytes || file.readUInt32LE(0) !== serviceMagic) return undefined
  const dump = fieldsOf(file.subarray(headerBytes)).get(dumpField)
  if (!Buffer.isBuffer(dump)) return undefined
  const times = fieldsOf(dump)
  return (Number(times.get(freezingTime) ?? 0) + Number(times.get(frozenTime) ?? 0)) / 1000
}

/** As many fields of a protobuf message as can be read: numbers (varints) and messages. */
function fieldsOf(message: Buffer): Map<number, number | Buffer> {
  const fields = new Map<number, number | Buffer>()
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; at < message.length; factor *= 128) {
      const byte = message[at++] as number
      value += (byte & 127) * factor
      if (byte < 128) break
    }
    return value
  }
  while (at < message.length) {
    const key = varint()
    const value = varint()
    if ((key & 7) === 0) fields.set(key >> 3, value)
    else if ((key & 7) === 2) fields.set(key >> 3, message.subarray(at, (at += value)))
    else return fields
  }
  return fields
}
