// `make lab-install`: the product, as built now, into a lab (booted when it is not up).
import { Lab } from '../lab.ts'
import { installProduct } from './install.ts'

const say = (line: string): void => console.log(`lab: ${line}`)
const lab = Lab.isUp() ? Lab.attach() : await Lab.up()
say(`images loaded: ${(await lab.loadImages()).join(', ')}`)
await installProduct(lab, { say })
say('try: make kubectl ARGS="get nodemigrationcapacities"')
