import type { Condition as WireCondition } from '#proto/musubi/access/v1/condition.ts';
import type { Condition } from './conditions.ts';

/** A condition as other services are sent it. */
export function toWire(condition: Condition): WireCondition {
  return { kind: kindOf(condition) };
}

function kindOf(condition: Condition): WireCondition['kind'] {
  if (typeof condition === 'boolean') return { $case: 'always', value: condition };
  if ('allOf' in condition) return { $case: 'allOf', value: { conditions: condition.allOf.map(toWire) } };
  if ('anyOf' in condition) return { $case: 'anyOf', value: { conditions: condition.anyOf.map(toWire) } };
  if ('not' in condition) return { $case: 'not', value: toWire(condition.not) };
  if ('ids' in condition) return { $case: 'ids', value: { ids: [...condition.ids] } };
  if ('owners' in condition) return { $case: 'owners', value: { ids: [...condition.owners] } };
  if ('hasOwner' in condition) return { $case: 'hasOwner', value: true };
  if ('findable' in condition) return { $case: 'findable', value: true };
  return { $case: 'in', value: { references: [...condition.in] } };
}
