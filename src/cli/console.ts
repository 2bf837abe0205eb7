// What the program needs of the world outside: files, standard input and output, the clock. Tests give their own.
import type { KubeClient } from '../kube/client.ts'
import { type ClusterChoice, realTerminal, type Terminal } from '../plugin/terminal.ts'

export interface Console extends Pick<Terminal, 'clock' | 'out' | 'err' | 'read'> {
  connect(choice: ClusterChoice): KubeClient
}

export function consoleOf(terminal: Terminal): Console {
  return { ...terminal, connect: (choice) => terminal.connect(choice).client }
}

export const realConsole = consoleOf(realTerminal)
