// The kube-scheduler's configuration before anybody extends it.
import { stringify } from 'yaml'

export function schedulerConfiguration(): string {
  return stringify({
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    leaderElection: { leaderElect: false },
    clientConnection: { kubeconfig: '/etc/kubernetes/scheduler.conf' },
  })
}
