// What metrics.k8s.io says of nodes and pods.

export interface PodMetrics {
  metadata?: { name?: string; namespace?: string }
  containers?: { name: string; usage: Record<string, string> }[]
}

export interface NodeMetrics {
  metadata?: { name?: string }
  usage?: Record<string, string>
}
