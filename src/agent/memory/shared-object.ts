// Which pages the shared memory objects of a pod have: exactly those that criu will dump.
import { z } from 'zod'
import type { AgentConfig } from '../config.ts'
import { run } from '../run.ts'
import type { PageRun } from './mappings.ts'
import { pageBytes } from './page-pool.ts'

const Answer = z.object({ data: z.array(z.array(z.tuple([z.int(), z.int()]))) })

/** For each file of /proc/<pid>/map_files, its runs of pages; the address is the place in the object. */
export async function pagesOfObjects(config: AgentConfig, files: readonly string[]): Promise<PageRun[][]> {
  if (files.length === 0) return []
  const { stdout } = await run(config.helper, ['data', ...files])
  return Answer.parse(JSON.parse(stdout)).data.map((ranges) => ranges.map(toRun))
}

function toRun([from, to]: [number, number]): PageRun {
  return { address: from, pages: Math.ceil((to - from) / pageBytes) }
}
