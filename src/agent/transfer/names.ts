// Names that the other side sends: each is one plain file of one container of the move, never a path.
import { z } from 'zod'
import { isRoundFolder } from './rounds.ts'

/** A container's name, and a file of criu in its image folder. */
const plainContainer = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const plainFile = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/

export const Uid = z.string().regex(/^[0-9a-zA-Z][0-9a-zA-Z-]{0,63}$/, 'expected a UID')
export const ContainerName = z.string().regex(plainContainer, 'expected a container name')

export function isImageFile(name: string): boolean {
  return plainFile.test(name) && !name.includes('..')
}

/** Programs choose these names themselves. */
export function isSharedFile(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')
}

/** `container/file` of an image frame, or `container/pre-N/file` of a round ahead; throws on anything else. */
export function splitImageName(name: string): { container: string; round?: string; file: string } {
  const [container = '', ...rest] = name.split('/')
  const file = rest.pop() ?? ''
  const [round, ...more] = rest
  const isOfRound = round === undefined || isRoundFolder(round)
  if (plainContainer.test(container) && isOfRound && isImageFile(file) && more.length === 0)
    return { container, file, ...(round === undefined ? {} : { round }) }
  throw new Error(`Receiving images: "${name.slice(0, 120)}" names no image file of a container`)
}
