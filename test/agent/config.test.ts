// The agent's environment: defaults, and every problem at once.
import { expect } from 'chai'
import { readConfig } from '../../src/agent/config.ts'

describe('reading the environment of the agent', () => {
  it('needs a name and an address, and knows the rest', () => {
    const config = readConfig({ NODE_NAME: 'a', NODE_IP: '192.0.2.1', AGENT_PORT: '9000' })
    expect(config).to.include({ nodeName: 'a', runDir: '/run/podmotion', agentPort: 9000, helper: '/opt/podmotion/bin/podmotion-helper' })
  })

  it('names each variable that is wrong, with its value', () => {
    const read = (): unknown => readConfig({ NODE_IP: 'here', AGENT_PORT: '70000', TLS_DIR: 'tls' })
    expect(read).to.throw('NODE_NAME is not set: set it in the DaemonSet')
    expect(read).to.throw('NODE_IP is "here"')
    expect(read).to.throw('AGENT_PORT is "70000"')
    expect(read).to.throw('TLS_DIR is "tls": expected an absolute path')
  })
})
