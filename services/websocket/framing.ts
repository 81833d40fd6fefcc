/**
 * Follows the frames in what a client sends (RFC 6455, section 5.2) without keeping any of it. The library tells of
 * messages that are whole; this tells whether one has begun and is not.
 */
export class Framing {
  /** Of the frame that has begun: how many bytes of its head have come, and how many bytes of it are still to come. */
  #head = 0;
  #left = 0;
  /** The first two bytes of the head, and the length where that is written behind them. */
  #first = 0;
  #second = 0;
  #length = 0;
  /** Whether a frame of a message has come, and its last one has not. */
  #fragmented = false;
  /** How many messages have come whole. */
  messages = 0;

  /** Whether a frame, or a message, has begun and is not whole. */
  get unfinished(): boolean {
    return this.#fragmented || this.#head > 0;
  }

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const taken = this.#left > 0 ? Math.min(this.#left, chunk.length - at) : 1;
      if (this.#left > 0) this.#left -= taken;
      else this.#readHead(chunk[at] ?? 0);
      at += taken;
      if (this.#head >= this.#headBytes && this.#left === 0) this.#end();
    }
  }

  /** Length of the head, without the mask, which counts as payload: 2 until the two bytes that determine it have arrived. */
  get #headBytes(): number {
    const length = this.#second & 0x7f;
    if (this.#head < 2) return 2;
    return length === 127 ? 10 : length === 126 ? 4 : 2;
  }

  #readHead(byte: number): void {
    if (this.#head === 0) this.#first = byte;
    else if (this.#head === 1) this.#second = byte;
    else this.#length = this.#length * 256 + byte;
    this.#head++;
    if (this.#head < this.#headBytes) return;
    const mask = this.#second & 0x80 ? 4 : 0;
    this.#left = mask + (this.#headBytes === 2 ? this.#second & 0x7f : this.#length);
  }

  #end(): void {
    const [last, opcode] = [(this.#first & 0x80) !== 0, this.#first & 0x0f];
    this.#head = 0;
    this.#length = 0;
    // A control frame is of no message, and may come between the frames of one.
    if (opcode >= 8) return;
    this.#fragmented = !last;
    if (last) this.messages++;
  }
}
