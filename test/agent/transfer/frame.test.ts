// Frames come out as they went in, however the stream is cut; nothing else is taken.
import { expect } from 'chai'
import fc from 'fast-check'
import { type DataKind, encodeHeader, encodeJson, FrameParser } from '../../../src/agent/transfer/frame.ts'
import { isSharedFile, splitImageName } from '../../../src/agent/transfer/names.ts'

interface Frame {
  kind: DataKind
  name: string
  data: Buffer
}

const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom<DataKind>('image', 'log', 'shared'),
  name: fc.string({ minLength: 1, maxLength: 40 }),
  data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
})

function parse(stream: Buffer, cuts: readonly number[]): { got: Map<string, Buffer>; json: unknown[]; idle: boolean } {
  const got = new Map<string, Buffer>()
  const json: unknown[] = []
  const parser = new FrameParser({
    data: (kind, name, piece) => got.set(`${kind}:${name}`, Buffer.concat([got.get(`${kind}:${name}`) ?? Buffer.alloc(0), piece])),
    json: (_kind, value) => json.push(value),
  })
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  for (let index = 1; index < at.length; index++) parser.push(stream.subarray(at[index - 1], at[index]))
  return { got, json, idle: parser.idle }
}

describe('frames', () => {
  it('come out whole and in order, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.nat()), fc.jsonValue(), (frames, cuts, end) => {
        const sent = frames.flatMap(({ kind, name, data }) => [encodeHeader(kind, name, data.length), data])
        const { got, json, idle } = parse(Buffer.concat([...sent, encodeJson('end', { end })]), cuts)
        const expected = new Map<string, Buffer>()
        for (const { kind, name, data } of frames)
          expected.set(`${kind}:${name}`, Buffer.concat([expected.get(`${kind}:${name}`) ?? Buffer.alloc(0), data]))
        expect([...got.keys()].sort()).to.deep.equal([...expected.keys()].sort())
        for (const [key, data] of expected) expect(got.get(key)?.equals(data), key).to.equal(true)
        expect(json).to.deep.equal([JSON.parse(JSON.stringify({ end }))])
        expect(idle).to.equal(true)
      }),
    )
  })

  it('that are unknown or too large are refused', () => {
    expect(() => parse(Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0]), [])).to.throw('unknown frame kind 255')
    expect(() => parse(Buffer.from([1, 0, 0, 1, 0xff, 0, 0, 0]), [])).to.throw('over the limits')
    expect(() => parse(Buffer.from([3, 0, 0, 0, 0, 0x20, 0, 0]), [])).to.throw('over the limits')
    expect(() => encodeHeader('image', 'x'.repeat(600), 0)).to.throw('longer than')
  })

  it('that break off leave the parser waiting', () => {
    expect(parse(encodeHeader('image', 'a', 5), []).idle).to.equal(false)
  })
})

describe('names from the other side', () => {
  for (const name of [
    'main/../x',
    '../main/x',
    'main/',
    'main',
    '/etc/passwd',
    'main/a/b',
    'MAIN/x',
    'main/.hidden',
    'main/a..b',
    'main/a\0b',
    'main/-x',
    'main/pre-0/x',
    'main/pre-100/x',
    'main/pre-1/../x',
    'main/pre-1/pre-2/x',
    'main/pre-last/x',
  ])
    it(`refuse ${JSON.stringify(name)}`, () => expect(() => splitImageName(name)).to.throw('names no image file'))

  it('take what criu writes', () => {
    expect(splitImageName('main/pages-1.img')).to.deep.equal({ container: 'main', file: 'pages-1.img' })
    expect(splitImageName('main/pre-2/pages-1.img')).to.deep.equal({ container: 'main', round: 'pre-2', file: 'pages-1.img' })
    expect(splitImageName('side-car/tmpfs-dev-72.tar.gz.img').file).to.equal('tmpfs-dev-72.tar.gz.img')
  })

  it('of /dev/shm are plain', () => {
    for (const name of ['', '.', '..', 'a/b', '../x', 'a\0']) expect(isSharedFile(name), name).to.equal(false)
    for (const name of ['PostgreSQL.123', 'sem.x', '.hidden']) expect(isSharedFile(name), name).to.equal(true)
  })
})
