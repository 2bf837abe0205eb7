// Lines over time as a picture: how full the nodes were, and how full they would have been. Pure: SVG text.

export interface Line {
  label: string
  colour: string
  dashed?: boolean
  points: readonly (readonly [second: number, value: number])[]
}

const width = 1000
const height = 420
const left = 50
const bottom = 30
const top = 60

export function picture(title: string, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points)
  const lastSecond = Math.max(1, ...all.map(([second]) => second))
  const most = Math.ceil(Math.max(1, ...all.map(([, value]) => value)) / 10) * 10
  const x = (second: number) => left + (second / lastSecond) * (width - left - 10)
  const y = (value: number) => height - bottom - (value / most) * (height - bottom - top)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${left}" y="16" font-size="13">${escape(title)}</text>`,
    ...lines.map(legend),
    ...steps(most).map((value) => level(value, y(value))),
    ...steps(lastSecond / 60).map((minute) => `<text x="${x(minute * 60).toFixed(0)}" y="${height - 10}">${minute} min</text>`),
    ...lines.map(
      ({ colour, dashed, points }) =>
        `<polyline fill="none" stroke="${colour}" stroke-width="1.5"${dashed ? ' stroke-dasharray="5 3"' : ''} points="${points.map(([second, value]) => `${x(second).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}"/>`,
    ),
    '</svg>',
    '',
  ].join('\n')
}

function legend({ label, colour }: Line, position: number): string {
  const at = left + (position % 4) * 235
  const line = 32 + Math.floor(position / 4) * 16
  return `<rect x="${at}" y="${line - 9}" width="10" height="10" fill="${colour}"/><text x="${at + 14}" y="${line}">${escape(label)}</text>`
}

function level(value: number, at: number): string {
  return `<line x1="${left}" x2="${width - 10}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}" stroke="#ddd"/><text x="8" y="${(at + 4).toFixed(1)}">${value} %</text>`
}

function steps(most: number): number[] {
  const step = most > 50 ? 20 : most > 10 ? 10 : 1
  return Array.from({ length: Math.floor(most / step) + 1 }, (_none, number) => number * step)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
