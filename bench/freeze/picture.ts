// The freezes of a run as a picture: a bar a move, a colour a step, ours and plain on one scale. Pure: SVG text.
import type { Step } from './timeline.ts'

export interface Bar {
  label: string
  /** The first is where the bar begins; each later one ends its own piece. */
  steps: readonly Step[]
}

const rowHeight = 18
const labelWidth = 90
const scaleWidth = 900
const legendHeight = 30
const colours = ['#4e79a7', '#f28e2b', '#e15759', '#76b7b2', '#59a14f', '#edc948', '#b07aa1', '#ff9da7', '#9c755f', '#bab0ac']

export function picture(bars: readonly Bar[]): string {
  const longestMs = Math.max(1, ...bars.map(lengthMs))
  const names = [...new Set(bars.flatMap(({ steps }) => steps.slice(1).map(({ step }) => step)))]
  const colourOf = (step: string): string => colours[names.indexOf(step) % colours.length] as string
  const rows = bars.map((bar, index) => row(bar, legendHeight + index * rowHeight, scaleWidth / longestMs, colourOf))
  const height = legendHeight + bars.length * rowHeight + rowHeight
  const width = labelWidth + scaleWidth + 70
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...names.map((name, index) => legend(name, index, colourOf(name))),
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

function lengthMs({ steps }: Bar): number {
  return (steps.at(-1)?.atMs ?? 0) - (steps[0]?.atMs ?? 0)
}

function legend(name: string, index: number, colour: string): string {
  const x = labelWidth + index * 88
  return `<rect x="${x}" y="8" width="10" height="10" fill="${colour}"/><text x="${x + 13}" y="17">${escape(name)}</text>`
}

function row({ label, steps }: Bar, y: number, pixelsPerMs: number, colourOf: (step: string) => string): string {
  const beganMs = steps[0]?.atMs ?? 0
  const pieces = steps.slice(1).map(({ step, atMs }, index) => {
    const fromMs = (steps[index]?.atMs ?? beganMs) - beganMs
    const wide = Math.max(0, atMs - beganMs - fromMs) * pixelsPerMs
    const title = `<title>${escape(step)} ${Math.round(atMs - beganMs - fromMs)} ms</title>`
    return `<rect x="${fixed(labelWidth + fromMs * pixelsPerMs)}" y="${y + 2}" width="${fixed(wide)}" height="${rowHeight - 4}" fill="${colourOf(step)}">${title}</rect>`
  })
  const total = Math.round(lengthMs({ label, steps }))
  const end = `<text x="${fixed(labelWidth + total * pixelsPerMs + 4)}" y="${y + 13}">${total} ms</text>`
  return [`<text x="4" y="${y + 13}">${escape(label)}</text>`, ...pieces, end].join('')
}

function fixed(value: number): string {
  return value.toFixed(1)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
