import type { z } from 'zod';
import { type FieldViolation, invalidArgument } from '#platform/errors.ts';

/** More than these help nobody. */
const MAX_VIOLATIONS = 50;
const MAX_NAME = 100;

/** The value as its schema makes it, or INVALID_ARGUMENT (400) naming every field that is wrong. */
export function validated<S extends z.ZodType>(schema: S, value: unknown, whole: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.flatMap((issue) => violations(issue, whole)).slice(0, MAX_VIOLATIONS);
  throw invalidArgument('INVALID_ARGUMENT', `The request is not valid: ${fields[0]?.field} ${fields[0]?.message}`, { fields });
}

/** @param whole what to call the value itself: an issue without a path is about all of it */
function violations(issue: z.core.$ZodIssue, whole: string): FieldViolation[] {
  const path = pathOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: path ? `${path}.${shortened(key)}` : shortened(key),
      message: 'is not known here',
    }));
  }
  return [{ field: path || whole, message: issue.message }];
}

/** ['policies', 0, 'name'] → `policies[0].name` */
function pathOf(path: PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key)),
    '',
  );
}

function shortened(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
}
