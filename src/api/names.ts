// Names that users meet on their objects: the API group, annotations, labels, the RuntimeClass.

export const group = 'podmotion.io'
export const version = 'v1alpha1'
export const apiVersion = `${group}/${version}`
export const runtimeClassName = 'podmotion'

/** Deleting a PodMigration waits for this: the move is rolled back or finished first. */
export const finalizer = 'podmotion.io/move'

export const annotations = {
  migrate: 'podmotion.io/migrate',
  policy: 'podmotion.io/policy',
  freezeBudgetMs: 'podmotion.io/freeze-budget-ms',
  /** On a destination pod: the UID of the PodMigration it receives. Passed into the OCI spec by the runtime entry. */
  migration: 'podmotion.io/migration',
  /** On a destination pod: `namespace/name` of its PodMigration, for the extender and for people. */
  migrationName: 'podmotion.io/migration-name',
  /** On a destination pod: the name its family of names is made from, so that names do not grow with every move. */
  baseName: 'podmotion.io/base-name',
  /** On a destination pod: labels and owners of its source, for a cutover that finds the source gone. */
  sourceIdentity: 'podmotion.io/source-identity',
  /** On a pod: hostPath volumes (names, comma separated) that are the same shared storage on every node. */
  sharedVolumes: 'podmotion.io/shared-volumes',
  /** On a PodMigration: a person's word (`destinationGone`) after a grant whose outcome nobody can tell any more. */
  resolved: 'podmotion.io/resolved',
  podDeletionCost: 'controller.kubernetes.io/pod-deletion-cost',
} as const

/** What a warning and an event begin with, or are called, when a pod of mode PostCopy lost memory with its source. */
export const sourceLost = 'PostCopySourceLost'

/** What a warning begins with, and an event and a condition's reason are called, while a committed pod's packets still wait on its node. */
export const trafficHeld = 'TrafficHeld'

/** The reason of an event, and of the failure of a move, when memory is written faster than it can be copied. */
export const notConverging = 'NotConverging'

export const labels = {
  node: 'podmotion.io/node',
  migrationUid: 'podmotion.io/migration-uid',
  sourcePodUid: 'podmotion.io/source-pod-uid',
} as const
