import { Allowance } from './allowance.ts';
import type { Channel } from './channel.ts';
import { closing, type Limits } from './domain.ts';

/**
 * Handles a client's frames one after the other. During that the socket is not read: later frames wait in the client's
 * and the network's buffers, and only frames of the same chunk wait here.
 */
export class Inbox {
  readonly #channel: Channel;
  readonly #handle: (text: string) => Promise<void>;
  readonly #framesPerSecond: number;
  readonly #allowance: Allowance;
  #waiting: string[] = [];
  #busy = false;

  /** @param handle must not reject */
  constructor(channel: Channel, { framesPerSecond, stallMs }: Limits, handle: (text: string) => Promise<void>) {
    this.#channel = channel;
    this.#handle = handle;
    this.#framesPerSecond = framesPerSecond;
    // A client that is silent while its frames are handled must not save up an allowance for a flood.
    this.#allowance = new Allowance(framesPerSecond, framesPerSecond, framesPerSecond * (1 + stallMs / 1_000));
  }

  receive(text: string): void {
    if (!this.count()) return;
    this.#waiting.push(text);
    if (!this.#busy) this.#work().catch((error: unknown) => this.#channel.fail(error));
  }

  /** Counts every frame, also the protocol's `ping` and `pong`. @returns false for one too many, and on a closing socket */
  count(): boolean {
    if (this.#channel.closing) return false;
    if (this.#allowance.spend(1) === 0) return true;
    this.#channel.close(closing('tooMany', 'TOO_MANY_FRAMES'));
    return false;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    this.#channel.pause();
    const begun = performance.now();
    for (let text = this.#waiting.shift(); text !== undefined && !this.#channel.closing; text = this.#waiting.shift()) {
      await this.#handle(text);
    }
    // What a client sent in the meantime comes all at once, though it was not sent so.
    this.#allowance.credit(((performance.now() - begun) / 1_000) * this.#framesPerSecond);
    this.#waiting = [];
    this.#busy = false;
    this.#channel.resume();
  }
}
