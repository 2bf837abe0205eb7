// What an ended command said, as plain strings whatever options it ran with.

export interface Said {
  stdout: string
  /** stdout and stderr together when the command ran with `all: true`, else stdout. */
  all: string
  exitCode: number
}

export async function said(command: PromiseLike<{ stdout?: unknown; all?: unknown; exitCode?: number | undefined }>): Promise<Said> {
  const result = await command
  const stdout = typeof result.stdout === 'string' ? result.stdout : ''
  return { stdout, all: typeof result.all === 'string' ? result.all : stdout, exitCode: result.exitCode ?? 128 }
}
