// `make rollbacks`: boots a lab with the product and prints the table; fails when a client saw an error or waited for too long.
import { Lab } from '../lab.ts'
import { installProduct } from '../product/install.ts'
import { World } from '../product/world.ts'
import { asLine, measureRollbacks, type Row, rollbackBudgetMs } from './rollbacks.ts'

const say = (line: string): void => console.log(line)
const wasUp = Lab.isUp()
const lab = wasUp ? Lab.attach() : await Lab.up()
if (!process.env.LAB_AS_IS) {
  await lab.loadImages()
  await installProduct(lab, { say, restart: wasUp })
}
const rows = await measureRollbacks(new World(lab), say).finally(async () => {
  if (!wasUp && !process.env.LAB_KEEP) await lab.down()
})
say('\n| phase | what ended the move | the source had come to | longest pause | errors |\n| --- | --- | --- | --- | --- |')
for (const row of rows) say(asLine(row))
const hasGoneBack = ({ phaseAtEnd }: Row): boolean => ['RolledBack', 'deleted'].includes(phaseAtEnd)
const wrong = rows.filter((row) => row.pauseMs > 2 * rollbackBudgetMs || row.errors > 0 || !hasGoneBack(row))
say(`rollbacks: ${rows.length} phases, budget ${rollbackBudgetMs} ms · ${wrong.length} failed`)
process.exit(wrong.length > 0 ? 1 : 0)
