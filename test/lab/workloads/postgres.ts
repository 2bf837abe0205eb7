// PostgreSQL as a user would run it: a Deployment of one replica with its data on an emptyDir, and a Service in front of it.
import { runtimeClassName } from '../../../src/api/names.ts'

export interface PostgresOptions {
  name: string
  namespace: string
  /** false: an ordinary pod that our product does not move, for the comparison. */
  movable: boolean
  nodeName?: string
  replicas?: number
  sharedBuffers?: string
}

export const usualSharedBuffers = '128MB'

// Started as root because the uid of `postgres` is the image's affair; PostgreSQL itself runs as that user.
const startPostgres = (sharedBuffers: string): string => `set -e
export PATH=/usr/lib/postgresql/18/bin:$PATH
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
if [ ! -d /data/pg ]; then
  install -d -o postgres -g postgres -m 700 /data/pg
  $as initdb -D /data/pg -A trust -U postgres --no-sync >/dev/null
  echo "host all all 0.0.0.0/0 trust" >> /data/pg/pg_hba.conf
fi
exec $as postgres -D /data/pg -c listen_addresses=* -c unix_socket_directories=/tmp -c shared_buffers=${sharedBuffers} -c io_method=worker -c max_connections=200`

/** The manifests, as objects ready for `kubectl apply -f -`. */
export function postgresManifests(options: PostgresOptions): object {
  return { apiVersion: 'v1', kind: 'List', items: [deployment(options), service(options)] }
}

function deployment(options: PostgresOptions): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: options.name, namespace: options.namespace },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { app: options.name } },
      template: { metadata: { labels: { app: options.name } }, spec: podSpec(options) },
    },
  }
}

function podSpec(options: PostgresOptions): object {
  return {
    ...(options.movable ? { runtimeClassName } : {}),
    ...(options.nodeName ? { affinity: prefer(options.nodeName) } : {}),
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 5,
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      {
        name: 'postgres',
        image: 'podmotion.local/app:1',
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/sh', '-c', startPostgres(options.sharedBuffers ?? usualSharedBuffers)],
        ports: [{ containerPort: 5432 }],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        resources: { requests: { cpu: '100m', memory: '256Mi' } },
        readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 },
      },
    ],
  }
}

function prefer(nodeName: string): object {
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }
  return {
    nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [expression] } }] },
  }
}

function service(options: PostgresOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: options.name, namespace: options.namespace },
    spec: { selector: { app: options.name }, ports: [{ port: 5432 }] },
  }
}
