// The agent's environment: defaults, and every problem at once.
import { expect } from 'chai'
import { readConfig } from '../../src/agent/config.ts'

describe('reading the environment of the agent', () => {
  it('needs a name and an address, and knows the rest', () => {
    const config = readConfig({ NODE_NAME: 'a', NODE_IP: '192.0.2.1', AGENT_PORT: '9000' })
    expect(config).to.include({ nodeName: 'a', runDir: '/run/podmotion', agentPort: 9000, helper: '/opt/podmotion/bin/podmotion-helper' })
  })

  it('has at most one address of each family, the agent’s own first', () => {
    const nodeIps = (NODE_IPS?: string) => readConfig({ NODE_NAME: 'a', NODE_IP: '192.0.2.1', NODE_IPS }).nodeIps
    expect(nodeIps()).to.deep.equal(['192.0.2.1'])
    expect(nodeIps('192.0.2.9,fd00::1,fd00::2')).to.deep.equal(['192.0.2.1', 'fd00::1'])
    expect(() => nodeIps('192.0.2.1,here')).to.throw('NODE_IPS is "192.0.2.1,here": expected an IP address')
  })

  it('names each variable that is wrong, with its value', () => {
    const read = (): unknown => readConfig({ NODE_IP: 'here', AGENT_PORT: '70000', TLS_DIR: 'tls' })
    expect(read).to.throw('NODE_NAME is not set: set it in the DaemonSet')
    expect(read).to.throw('NODE_IP is "here"')
    expect(read).to.throw('AGENT_PORT is "70000"')
    expect(read).to.throw('TLS_DIR is "tls": expected an absolute path')
  })
})
