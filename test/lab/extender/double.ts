// A test double of an extender: gives every node a score that anybody can work out from the names of pod and node. Arguments: port, salt.
import http from 'node:http'
import { json } from 'node:stream/consumers'
import { doubleScore } from './double-score.ts'

interface Arguments {
  Pod: { metadata: { name: string } }
  Nodes: { items: { metadata: { name: string } }[] } | null
  NodeNames: string[] | null
}

const [port, salt = ''] = process.argv.slice(2)

http
  .createServer(async (request, response) => {
    const { Pod, Nodes, NodeNames } = (await json(request)) as Arguments
    const names = NodeNames ?? (Nodes?.items ?? []).map(({ metadata }) => metadata.name)
    const scores = names.map((Host) => ({ Host, Score: doubleScore(salt, Pod.metadata.name, Host) }))
    const filtered = { Nodes, NodeNames, FailedNodes: {}, FailedAndUnresolvableNodes: {}, Error: '' }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(request.url === '/filter' ? filtered : scores))
  })
  .listen(Number(port), '127.0.0.1')
