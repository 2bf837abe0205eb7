// What both unattended runs ask of a policy: no node's measured CPU far over the average.

/** Of a MigrationPolicy's spec; the bound is in percent points over the average of the nodes. */
export function cpuStrategy(boundPercentPoints: number) {
  return {
    strategies: [
      {
        name: 'LowNodeUtilization',
        lowNodeUtilization: {
          useDeviationThresholds: true,
          thresholds: { cpu: 1 },
          targetThresholds: { cpu: boundPercentPoints },
          metricsUtilization: { source: 'KubernetesMetrics' },
        },
      },
    ],
    metricsProviders: [{ source: 'KubernetesMetrics' }],
  }
}
