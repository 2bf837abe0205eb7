// What the agent is told by its DaemonSet: one environment, checked once, passed on as data.
import { z } from 'zod'
import { areOfOneFamily } from '../runtime/addresses.ts'

/** A whole number in text, as environments give it. */
const wholeNumber = z.string().regex(/^\d+$/, 'expected a whole number').transform(Number)
const port = wholeNumber.pipe(z.int().min(1).max(65535))
const folder = z.string().regex(/^\//, 'expected an absolute path')

const address = z.union([z.ipv4(), z.ipv6()], { error: 'expected an IP address' })

const Environment = z.object({
  NODE_NAME: z.string().min(1),
  NODE_IP: address,
  /** All of the node's, as status.hostIPs says. */
  NODE_IPS: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(address))
    .optional(),
  POD_NAMESPACE: z.string().min(1).default('podmotion'),
  HOST_ROOT: folder.default('/host'),
  RUN_DIR: folder.default('/run/podmotion'),
  STATE_DIR: folder.default('/var/lib/podmotion'),
  OPT_DIR: folder.default('/opt/podmotion'),
  NATIVE_DIR: folder.default('/app/native'),
  KUBELET_DIR: folder.default('/var/lib/kubelet'),
  CNI_STATE_DIR: folder.default('/var/lib/cni'),
  CGROUP_DIR: folder.default('/sys/fs/cgroup'),
  POD_LOG_DIR: folder.default('/var/log/pods'),
  TLS_DIR: folder.default('/etc/podmotion/tls'),
  AGENT_PORT: port.default(8090),
  METRICS_PORT: port.default(8080),
  AGENT_VERSION: z.string().default('dev'),
  BUSY_NODE_MBPS: wholeNumber.default(60),
  ATTACH_AT_BIRTH: z.enum(['true', 'false']).default('false'),
  MEMORY_TRACKER: z.enum(['auto', 'userfaultfd', 'soft-dirty', 'none']).default('auto'),
})
export type MemoryTracker = z.infer<typeof Environment>['MEMORY_TRACKER']

export interface AgentConfig {
  nodeName: string
  /** By which the agent is reached. */
  nodeIp: string
  /** At most one of each family, nodeIp first. */
  nodeIps: readonly string[]
  namespace: string
  /** Where the host's root file system is mounted in the agent's container. */
  hostRoot: string
  /** tmpfs shared with the host: images, awaited pods, sockets. */
  runDir: string
  /** On disk, shared with the host: journal, markers, network records. */
  stateDir: string
  /** On disk, shared with the host: our programs. */
  optDir: string
  /** In the image: the native programs that install() copies to optDir. */
  nativeDir: string
  kubeletDir: string
  cniStateDir: string
  cgroupDir: string
  podLogDir: string
  tlsDir: string
  agentPort: number
  metricsPort: number
  version: string
  /** Megabits a second for memory ahead of the freeze where the node's processors are at work and the migration sets no limit; 0: no limit. */
  busyNodeMbps: number
  /** New pods of the RuntimeClass leave their bridge before anything runs in them, not at their first move. */
  attachAtBirth: boolean
  /** auto: the best that the source's kernel has. */
  memoryTracker: MemoryTracker
  /** The helper as install() leaves it: same path on the host and in the container. */
  helper: string
}

/** Throws with every problem at once: a DaemonSet is edited by people. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): AgentConfig {
  const read = Environment.safeParse(environment)
  if (!read.success) throw new Error(`Reading the agent's environment: ${describeIssues(read.error.issues, environment)}`)
  const values = read.data
  return {
    nodeName: values.NODE_NAME,
    nodeIp: values.NODE_IP,
    nodeIps: [values.NODE_IP, ...(values.NODE_IPS ?? []).filter((ip) => !areOfOneFamily(ip, values.NODE_IP)).slice(0, 1)],
    namespace: values.POD_NAMESPACE,
    hostRoot: values.HOST_ROOT,
    runDir: values.RUN_DIR,
    stateDir: values.STATE_DIR,
    optDir: values.OPT_DIR,
    nativeDir: values.NATIVE_DIR,
    kubeletDir: values.KUBELET_DIR,
    cniStateDir: values.CNI_STATE_DIR,
    cgroupDir: values.CGROUP_DIR,
    podLogDir: values.POD_LOG_DIR,
    tlsDir: values.TLS_DIR,
    agentPort: values.AGENT_PORT,
    metricsPort: values.METRICS_PORT,
    version: values.AGENT_VERSION,
    busyNodeMbps: values.BUSY_NODE_MBPS,
    attachAtBirth: values.ATTACH_AT_BIRTH === 'true',
    memoryTracker: values.MEMORY_TRACKER,
    helper: `${values.OPT_DIR}/bin/podmotion-helper`,
  }
}

function describeIssues(issues: readonly z.core.$ZodIssue[], environment: Readonly<Record<string, string | undefined>>): string {
  return issues
    .map((issue) => {
      const name = String(issue.path[0])
      const value = environment[name]
      return value === undefined ? `${name} is not set: set it in the DaemonSet` : `${name} is "${value}": ${issue.message}`
    })
    .join('; ')
}
