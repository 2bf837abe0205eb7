// Does a set of labels match a Kubernetes label selector?

export interface Selector {
  matchLabels?: { [key: string]: string } | undefined
  matchExpressions?: { key: string; operator: string; values?: string[] | undefined }[] | undefined
}

export type Labels = { readonly [key: string]: string } | undefined

/** As in the API server: an absent selector matches nothing here, an empty one everything; all requirements must hold. */
export function matchesSelector(selector: Selector | undefined, labels: Labels): boolean {
  if (!selector) return false
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels?.[key] !== value) return false
  return (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels))
}

export function matchesRequirement(requirement: { key: string; operator: string; values?: string[] | undefined }, labels: Labels): boolean {
  const value = labels?.[requirement.key]
  const values = requirement.values ?? []
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number.parseInt(value, 10) > Number.parseInt(values[0] ?? '', 10)
    case 'Lt':
      return value !== undefined && Number.parseInt(value, 10) < Number.parseInt(values[0] ?? '', 10)
    default:
      return false
  }
}
