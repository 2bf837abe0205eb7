// Whether new pods of the RuntimeClass are attached point-to-point from the first: the OCI wrapper asks for this file (native/README.md).
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'

/** The node has its settings; the file is gone after a boot, as they are. */
export async function allowBirths(config: AgentConfig): Promise<void> {
  if (!config.attachAtBirth) return await endBirths(config)
  await writeFile(birthsFile(config), '')
}

export async function endBirths(config: AgentConfig): Promise<void> {
  await rm(birthsFile(config), { force: true })
}

function birthsFile(config: AgentConfig): string {
  return path.join(config.runDir, 'attach-at-birth')
}
