// The cluster as numbers: nodes, pods and resources are positions in flat arrays, because a search asks millions of times.
import type { RuleBook, Shape } from './rules/rule-book.ts'

export interface ModelNode {
  name: string
  /** May pods come here: Ready, not cordoned, not to be evacuated. */
  isDestination: boolean
  /** Counts in the imbalance. */
  isBalanced: boolean
}

export interface ModelPod {
  /** namespace/name */
  key: string
  namespace: string
  name: string
  uid: string
  home: number
  movedBytes: number
  /** Why the pod stays where it is; undefined: it may move. */
  stays: string | undefined
  /** Belongs to its node (DaemonSet, static pod): a node with nothing else is empty. */
  isOfNode: boolean
  shape: Shape
}

export interface Model {
  nodes: readonly ModelNode[]
  pods: readonly ModelPod[]
  /** All that pods request; capacity is checked on each. */
  resources: readonly string[]
  /** Those whose utilisation is evened out. */
  balanced: readonly string[]
  /** nodes × resources: allocatable. */
  room: Float64Array
  /** pods × resources. */
  requests: Float64Array
  /** nodes × balanced: allocatable. */
  loadRoom: Float64Array
  /** pods × balanced: usage where it is known, requests otherwise. */
  load: Float64Array
  /** Load of pods: measured, or requested. */
  loadSource: 'usage' | 'requests'
  rules: RuleBook
}
