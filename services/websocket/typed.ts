import { status } from '@grpc/grpc-js';
import { MusubiError } from '#platform/errors.ts';
import { messageIdOf } from '#platform/message-view.ts';
import { kept } from '#platform/validation/fields.ts';
import { messageText } from '#platform/validation/room-fields.ts';
import type { SessionContext } from './admission.ts';
import type { Channel } from './channel.ts';
import { type ClientFrame, frameActions } from './frames.ts';
import { closingFor, type Identity } from './identity.ts';
import { roomResource } from './things.ts';

/** What a client types. */
export type TypedFrame = Extract<ClientFrame, { type: 'send' | 'read' }>;

/**
 * What one client types, from there to Chat, and the answers back: one after the other, so in the order in which it is sent. Other frames do not
 * wait for it, unless much of it is under way.
 */
export class Typed {
  readonly #context: Pick<SessionContext, 'peers' | 'limits'>;
  readonly #channel: Channel;
  readonly #identity: () => Identity;
  #underWay: readonly Promise<void>[] = [];

  /** @param identity of the client's present token */
  constructor(context: Pick<SessionContext, 'peers' | 'limits'>, channel: Channel, identity: () => Identity) {
    this.#context = context;
    this.#channel = channel;
    this.#identity = identity;
  }

  /** Resolves when there is room for more. */
  async take(frame: TypedFrame): Promise<void> {
    const before = this.#underWay.at(-1);
    const answered = this.#after(before, frame).catch((error: unknown) => this.#channel.fail(error));
    this.#underWay = [...this.#underWay, answered];
    if (this.#underWay.length >= this.#context.limits.typedAtOnce) await this.#underWay[0];
  }

  async #after(before: Promise<void> | undefined, frame: TypedFrame): Promise<void> {
    await before;
    try {
      await this.#answer(frame);
    } finally {
      this.#underWay = this.#underWay.slice(1);
    }
  }

  async #answer(frame: TypedFrame): Promise<void> {
    if (this.#channel.closing) return;
    const { ref } = frame;
    try {
      const answer = await (frame.type === 'send' ? this.#say(frame) : this.#markRead(frame));
      if (ref !== undefined) await this.#channel.send({ type: 'ack', ref, ...answer });
    } catch (error) {
      if (!(error instanceof MusubiError)) throw error;
      // The session has ended.
      if (error.grpcStatus === status.UNAUTHENTICATED) this.#channel.close(closingFor(error));
      else await this.#channel.send({ type: 'error', ref, ...error.told });
    }
  }

  /** @throws PERMISSION_DENIED, INVALID_MESSAGE, and as `chat.PostMessage` */
  async #say({ ref, roomId, text: given, replyToId }: Extract<TypedFrame, { type: 'send' }>) {
    // Chat holds it to the same rules; but half a character would not come there as it is.
    const { text = '' } = kept({ text: messageText }, { text: given }, 'INVALID_MESSAGE');
    const { memberId } = await this.#authorize(frameActions.send.room, roomId);
    const messageId = messageIdOf(memberId, roomId, ref);
    const { message } = await this.#context.peers.chat.postMessage({ roomId, memberId, messageId, text, replyToId });
    return { messageId, sequence: message?.sequence ?? 0 };
  }

  /** @throws PERMISSION_DENIED, and as `chat.MarkRead` */
  async #markRead({ roomId, sequence }: Extract<TypedFrame, { type: 'read' }>) {
    const { memberId } = await this.#authorize(frameActions.read.room, roomId);
    return { sequence: (await this.#context.peers.chat.markRead({ roomId, memberId, sequence })).sequence };
  }

  async #authorize(action: 'room.post' | 'room.read', roomId: string): Promise<Identity> {
    const identity = this.#identity();
    await this.#context.peers.auth.authorize({ accessToken: identity.token, action, resource: roomResource(roomId) });
    return identity;
  }
}
