import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { type FieldPlace, type FieldViolation, invalidFields } from '#platform/errors.ts';
import { PARSING, violationsOf } from '#platform/validation/schema.ts';

/** More than these help nobody. */
const MAX_VIOLATIONS = 50;

type Parts = Partial<Record<FieldPlace, readonly [schema: z.ZodType, value: unknown]>>;
type Valid<P extends Parts> = {
  [K in keyof P]: P[K] extends readonly [infer S extends z.ZodType, unknown] ? z.output<S> : never;
};

/** The parts of a request as their schemas make them, or INVALID_ARGUMENT (400) naming every field of all parts that is wrong. */
export function validated<P extends Parts>(parts: P): Valid<P> {
  const valid: Record<string, unknown> = {};
  const wrong: FieldViolation[] = [];
  for (const [place, [schema, value]] of Object.entries(parts) as [FieldPlace, [z.ZodType, unknown]][]) {
    const parsed = schema.safeParse(value, PARSING);
    if (parsed.success) valid[place] = parsed.data;
    else wrong.push(...parsed.error.issues.flatMap((issue) => inPlace(issue, place)));
  }
  if (wrong.length > 0) throw invalidFields(firstOfEach(wrong).slice(0, MAX_VIOLATIONS));
  return valid as Valid<P>;
}

/** Of each field the first: whoever mends that has most likely mended what follows from it. */
function firstOfEach(violations: FieldViolation[]): FieldViolation[] {
  const named = new Map(violations.toReversed().map((violation) => [`${violation.in} ${violation.field}`, violation]));
  return violations.filter((violation) => named.get(`${violation.in} ${violation.field}`) === violation);
}

function inPlace(issue: z.core.$ZodIssue, place: FieldPlace): FieldViolation[] {
  const violations = violationsOf(issue).map((violation) => ({ ...violation, in: place }));
  // Neither headers nor parameters are lists here: several values are one that was given several times.
  const repeated = (place === 'header' || place === 'query') && Array.isArray(issue.input);
  return repeated ? violations.map((violation) => ({ ...violation, ...REPEATED })) : violations;
}

const REPEATED = { code: 'REPEATED', message: 'must be given once' } as const;

/** What RFC 9110 defines as a list, which may be sent in several lines. */
const LISTS: ReadonlySet<string> = new Set(['prefer', 'if-none-match']);

/** The values of these headers, by their names. What was given more than once, and may not be, has all its values, for the schema to refuse. */
export function headersOf(request: IncomingMessage, names: readonly string[]): Record<string, string | string[] | undefined> {
  return Object.fromEntries(
    names.map((name) => {
      const values = request.headersDistinct[name.toLowerCase()] ?? [];
      return [name, values.length > 1 ? (LISTS.has(name.toLowerCase()) ? values.join(', ') : values) : values[0]];
    }),
  );
}

/** @throws INVALID_ARGUMENT (400) when the header was sent in several lines: whoever reads the first may not be the one who reads the last */
export function soleHeader(request: IncomingMessage, name: string): string | undefined {
  const { [name]: value } = headersOf(request, [name]);
  if (Array.isArray(value)) throw invalidFields([{ in: 'header', field: name, ...REPEATED }]);
  return value;
}
