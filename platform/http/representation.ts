import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import accepts from 'accepts';

/** What clients may take bytes in, the smallest first; `identity`: as they are. */
const CODINGS = {
  // At 11, the default, a large script takes fifteen seconds; at 9 half of one, and is a tenth larger.
  br: (bytes: Buffer) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
  gzip: (bytes: Buffer) => promisify(gzip)(bytes),
} as const;
type Coding = keyof typeof CODINGS | 'identity';

/** A document in one coding. */
export interface Variant {
  bytes: Buffer;
  headers: Record<string, string>;
}

/**
 * A document that is the same for everybody while the process runs: read and compressed once, when it is first asked
 * for, and the same bytes for whoever asks, however many they are.
 */
export class Representation {
  readonly #read: () => Promise<string | Buffer> | string | Buffer;
  readonly #headers: Record<string, string>;
  #variants: Promise<Map<Coding, Variant>> | undefined;

  /** @param headers of every answer with it; its Content-Type among them */
  constructor(
    headers: { 'Content-Type': string } & Record<string, string>,
    read: () => Promise<string | Buffer> | string | Buffer,
  ) {
    this.#headers = headers;
    this.#read = read;
  }

  /**
   * The document in the coding that the client takes (RFC 9110, section 12.5.3), with a strong ETag of its own. The answer
   * varies by `Accept-Encoding`, which its sender must say.
   */
  async variantFor(request: IncomingMessage): Promise<Variant> {
    this.#variants ??= this.#make().catch((error: unknown) => {
      this.#variants = undefined;
      throw error;
    });
    const variants = await this.#variants;
    const taken = accepts(request);
    const coding = (['br', 'gzip'] as const).find((each) => variants.has(each) && taken.encoding(each) === each);
    const variant = variants.get(coding ?? 'identity');
    if (!variant) throw new Error('a representation without bytes');
    return variant;
  }

  async #make(): Promise<Map<Coding, Variant>> {
    const identity = Buffer.from(await this.#read());
    const digest = createHash('sha256').update(identity).digest('base64url').slice(0, 16);
    // Asked for again, it is sent again only when it is another one.
    const headers = { ...this.#headers, 'Cache-Control': 'public, no-cache' };
    const variants = new Map<Coding, Variant>([['identity', { bytes: identity, headers: { ...headers, ETag: `"${digest}"` } }]]);
    for (const [coding, compress] of Object.entries(CODINGS) as [keyof typeof CODINGS, (typeof CODINGS)['br']][]) {
      const bytes = await compress(identity);
      if (bytes.length > identity.length * 0.9) continue;
      variants.set(coding, { bytes, headers: { ...headers, ETag: `"${digest}-${coding}"`, 'Content-Encoding': coding } });
    }
    return variants;
  }
}
