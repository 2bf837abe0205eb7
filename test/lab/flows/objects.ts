// The pod that moves, the peers that stay (one on each node), and their Services. A Go program listens with MPTCP where it may: the peers do, the
// pod of our RuntimeClass may not.
import { runtimeClassName } from '../../../src/api/names.ts'
import { imageNames } from '../images/base-images.ts'
import { localNodePort, nodePort } from './kinds.ts'

export const movedApp = 'flows'
export const peersApp = 'peers'

export function flowObjects(startNode: string): object {
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'apps/v1',
        kind: 'DaemonSet',
        metadata: { name: peersApp, namespace: 'default' },
        spec: { selector: { matchLabels: { app: peersApp } }, template: template(peersApp, {}) },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: movedApp, namespace: 'default' },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: movedApp } },
          template: template(movedApp, { runtimeClassName, affinity: prefer(startNode) }),
        },
      },
      service(peersApp, peersApp, {}),
      service(movedApp, movedApp, {}),
      service(`${movedApp}-port`, movedApp, { type: 'NodePort' }, nodePort),
      service(`${movedApp}-local`, movedApp, { type: 'NodePort', externalTrafficPolicy: 'Local' }, localNodePort),
    ],
  }
}

function template(app: string, more: object): object {
  return {
    metadata: { labels: { app } },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'traffic',
          image: imageNames.traffic,
          imagePullPolicy: 'Never',
          command: ['/lab-traffic', 'serve'],
          ports: [{ containerPort: 7000 }],
          readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 2 },
          resources: { requests: { cpu: '20m', memory: '32Mi' } },
        },
      ],
      ...more,
    },
  }
}

function prefer(nodeName: string): object {
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }
  return {
    nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [expression] } }] },
  }
}

function service(name: string, app: string, spec: object, nodePortNumber?: number): object {
  const port = (protocol: string) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: 7000,
    ...(nodePortNumber === undefined ? {} : { nodePort: nodePortNumber }),
  })
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    // Where the cluster has one family it is one.
    spec: { ipFamilyPolicy: 'PreferDualStack', selector: { app }, ports: [port('TCP'), port('UDP')], ...spec },
  }
}
