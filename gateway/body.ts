import { status } from '@grpc/grpc-js';
import type { Context } from 'koa';
import { invalidArgument, MusubiError } from '#platform/errors.ts';

/** The largest body of a request, in bytes. */
export const BODY_LIMIT = 64 * 1024;

/** The types of body that are understood; a PATCH is a merge patch (RFC 7396) of a flat object. */
const TYPES: Record<string, string[]> = {
  PATCH: ['application/json', 'application/merge-patch+json'],
};
const JSON_ONLY = ['application/json'];

export const bodyTypes = (method: string): string[] => TYPES[method] ?? JSON_ONLY;

/**
 * Reads a request's JSON. Refused: UNSUPPORTED_MEDIA_TYPE (415), BODY_TOO_LARGE (413), MALFORMED_JSON (400).
 * What was parsed is data and nothing else: `__proto__` is an own property like any other, for the schema to refuse.
 */
export async function readJson(ctx: Context): Promise<unknown> {
  // null: the request has no body at all, which the schema will say better.
  if (ctx.is('*/*') === null) return undefined;
  const types = bodyTypes(ctx.method);
  const charset = ctx.request.charset.toLowerCase();
  const encoding = ctx.get('content-encoding').toLowerCase();
  if (!ctx.is(types) || !['', 'utf-8', 'utf8'].includes(charset) || !['', 'identity'].includes(encoding)) {
    if (ctx.request.length === 0) return undefined;
    throw invalidArgument('UNSUPPORTED_MEDIA_TYPE', `The body must be ${types.join(' or ')} in UTF-8, not compressed.`);
  }
  const bytes = await readAll(ctx);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalidArgument('MALFORMED_JSON', 'The body is not JSON in UTF-8.', { cause });
  }
}

async function readAll(ctx: Context): Promise<Buffer> {
  if ((ctx.request.length ?? 0) > BODY_LIMIT) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  // Not destroyed on return: the connection must live to carry the answer. Node reads and drops the rest.
  try {
    for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
      length += (chunk as Buffer).length;
      if (length > BODY_LIMIT) throw tooLarge();
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    // No defect, and nobody is there to be told.
    const left = ctx.req.destroyed && !ctx.req.complete && !(error instanceof MusubiError);
    if (left) throw new MusubiError(status.CANCELLED, 'CLIENT_LEFT', 'The client left.');
    throw error;
  }
  return Buffer.concat(chunks);
}

const tooLarge = () => invalidArgument('BODY_TOO_LARGE', `The body has more than ${BODY_LIMIT} bytes.`);
