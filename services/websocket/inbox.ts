import { Allowance } from './allowance.ts';
import type { Channel } from './channel.ts';
import { CLOSE, type Limits } from './domain.ts';

/**
 * What a client sends, handled one frame after the other. While a frame is in hand the client is not read: what it
 * sends meanwhile waits in its own buffers and the network's, and here only what had come in one piece with the frame.
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
    // Who says nothing while its frames are in hand must not save up for a flood.
    this.#allowance = new Allowance(framesPerSecond, framesPerSecond, framesPerSecond * (1 + stallMs / 1_000));
  }

  receive(text: string): void {
    if (!this.count()) return;
    this.#waiting.push(text);
    if (!this.#busy) this.#work().catch((error: unknown) => this.#channel.fail(error));
  }

  /** Counts a frame that is nothing to handle, too: a `ping` or `pong` of the protocol. @returns whether it is none too many */
  count(): boolean {
    if (this.#channel.closing) return false;
    if (this.#allowance.spend(1) === 0) return true;
    this.#channel.close(CLOSE.tooMany, 'too many frames in a second');
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
