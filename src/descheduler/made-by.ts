// What our own PodMigrations carry so that people and we ourselves know why they exist.

/** Label: `drain` or `policy`. */
export const madeByLabel = 'podmotion.io/made-by'

/** Annotation on one made by a drain: the node that was cordoned then. Uncordoning it takes the wish back. */
export const drainedNodeAnnotation = 'podmotion.io/drained-node'

/** Annotation: who asked for the eviction. */
export const requestedByAnnotation = 'podmotion.io/requested-by'
