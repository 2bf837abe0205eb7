// What the run is told from: samples of how full the nodes were, and what the clients saw. Pure.
import type { Line } from '../unattended/picture.ts'
import { spreadOf } from '../unattended/sample.ts'

export interface Sample {
  second: number
  /** By node, percent of a node's processors. */
  now: readonly number[]
  /** The same, had every pod stayed where it began. */
  unmoved: readonly number[]
  moves: number
}

const colours = ['#4e79a7', '#59a14f', '#f28e2b']

export function imbalanceOf(percents: readonly number[]): number {
  return spreadOf(percents).imbalance
}

export function lineOf({ second, now, unmoved, moves }: Sample): string {
  const text = (percents: readonly number[]) => percents.map((percent) => percent.toFixed(1).padStart(5)).join(' ')
  return `${second.toFixed(0).padStart(4)} s: ${text(now)} %, imbalance ${imbalanceOf(now).toFixed(1)} · unmoved ${text(unmoved)} %, ${imbalanceOf(unmoved).toFixed(1)} · ${moves} moves`
}

export function picturedLines(samples: readonly Sample[], nodeNames: readonly string[]): Line[] {
  const line = (label: string, colour: string, pick: (sample: Sample) => number, dashed = false): Line => ({
    label,
    colour,
    dashed,
    points: samples.map((sample) => [sample.second, pick(sample)]),
  })
  return [
    ...nodeNames.map((name, index) => line(name, colours[index] ?? '#000', ({ now }) => now[index] ?? 0)),
    ...nodeNames.map((name, index) =>
      line(`${name}, had nobody moved`, colours[index] ?? '#000', ({ unmoved }) => unmoved[index] ?? 0, true),
    ),
    line('imbalance (percent points)', '#b07aa1', ({ now }) => imbalanceOf(now)),
    line('imbalance, had nobody moved', '#b07aa1', ({ unmoved }) => imbalanceOf(unmoved), true),
  ]
}
