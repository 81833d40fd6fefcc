import type { Context } from 'koa';
import { clientLeft, type FieldViolation, invalidArgument, MusubiError } from '#platform/errors.ts';
import { parseJson } from '#platform/validation/json.ts';
import { soleHeader } from './validation.ts';

/** How large a body may be. */
export interface BodyLimit {
  bytes: number;
  /** The most values that it may have, at any depth. */
  values: number;
}

/** The largest body of a request in bytes, where its route says nothing else. */
export const BODY_LIMIT = 64 * 1024;
/** The values: twice what the largest such body needs. */
const USUAL: BodyLimit = { bytes: BODY_LIMIT, values: 1_000 };

/** The types of body that are understood; a PATCH is a merge patch (RFC 7396) of a flat object. */
const TYPES: Record<string, string[]> = {
  PATCH: ['application/json', 'application/merge-patch+json'],
};
const JSON_ONLY = ['application/json'];

export const bodyTypes = (method: string): string[] => TYPES[method] ?? JSON_ONLY;

/**
 * Reads a request's JSON. Refused: UNSUPPORTED_MEDIA_TYPE (415), BODY_TOO_LARGE (413), MALFORMED_JSON (400), which is
 * also what says a name twice.
 * What was parsed is only data: `__proto__` is an own property like any other, for the schema to refuse.
 */
export async function readJson(ctx: Context, { bytes: most, values }: BodyLimit = USUAL): Promise<unknown> {
  // null: the request has no body at all, which the schema will say better.
  if (ctx.is('*/*') === null) return undefined;
  const types = bodyTypes(ctx.method);
  const type = soleHeader(ctx.req, 'Content-Type');
  const charset = ctx.request.charset.toLowerCase();
  const encoding = ctx.req.headers['content-encoding']?.toLowerCase() ?? 'identity';
  const typed = ctx.is(types) && ['', 'utf-8', 'utf8'].includes(charset);
  if (!typed || encoding !== 'identity') {
    if (ctx.request.length === 0) return undefined;
    const must = { code: type === undefined ? 'REQUIRED' : 'NOT_ONE_OF', message: `must be ${types.join(' or ')}` } as const;
    const wrong = typed
      ? ({ field: 'Content-Encoding', code: 'NOT_ONE_OF', message: 'must be identity' } as const)
      : { field: 'Content-Type', ...must };
    throw invalidArgument('UNSUPPORTED_MEDIA_TYPE', `The body must be ${types.join(' or ')} in UTF-8, not compressed.`, {
      fields: [{ in: 'header', ...wrong }],
    });
  }
  const bytes = await readAll(ctx, most);
  if (bytes.length === 0) return undefined;
  const parsed = parseJson(textOf(bytes), values);
  if (!('fault' in parsed)) return parsed.value;
  switch (parsed.fault) {
    case 'syntax':
      throw notJson(parsed.cause);
    case 'size':
      throw tooLarge('values', values);
    case 'repeated':
      throw malformed('The body says a name twice.', { field: parsed.name, code: 'REPEATED', message: 'must be given once' });
  }
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw notJson(cause);
  }
}

const malformed = (message: string, wrong: FieldViolation, cause?: unknown): MusubiError =>
  invalidArgument('MALFORMED_JSON', message, { fields: [{ ...wrong, in: 'body' }], cause });

const notJson = (cause: unknown): MusubiError =>
  malformed('The body is not JSON in UTF-8.', { field: '', code: 'WRONG_FORMAT', message: 'must be JSON in UTF-8' }, cause);

async function readAll(ctx: Context, most: number): Promise<Buffer> {
  if ((ctx.request.length ?? 0) > most) throw tooLarge('bytes', most);
  const chunks: Buffer[] = [];
  let length = 0;
  // Not destroyed on return: the connection must live to carry the answer. Node reads and drops the rest.
  try {
    for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
      length += (chunk as Buffer).length;
      if (length > most) throw tooLarge('bytes', most);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    // No defect: the client left, and gets no answer.
    const left = ctx.req.destroyed && !ctx.req.complete && !(error instanceof MusubiError);
    if (left) throw clientLeft();
    throw error;
  }
  return Buffer.concat(chunks);
}

const tooLarge = (what: 'bytes' | 'values', most: number): MusubiError =>
  invalidArgument('BODY_TOO_LARGE', `The body has more than ${most} ${what}.`, {
    fields: [{ in: 'body', field: '', code: 'TOO_LONG', message: `must have at most ${most} ${what}` }],
  });
