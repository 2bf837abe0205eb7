// `make lab-install`: the product, as built now, into a lab (booted when it is not up).
import { Lab } from '../lab.ts'
import { installProduct } from './install.ts'

const say = (line: string): void => console.log(`lab: ${line}`)
const wasUp = Lab.isUp()
const lab = wasUp ? Lab.attach() : await Lab.up()
say(`images loaded: ${(await lab.loadImages()).join(', ')}`)
await installProduct(lab, { say, restart: wasUp })
say('try: make kubectl ARGS="get nodemigrationcapacities"')
