import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { MusubiError } from '#platform/errors.ts';
import { logDefect } from '#platform/process/log.ts';
import { type Admission, admit, Refused, type SessionContext, vouch } from './admission.ts';
import { Channel } from './channel.ts';
import { Delivery } from './delivery.ts';
import { type Closing, closing } from './domain.ts';
import { type ClientFrame, parseClientFrame } from './frames.ts';
import { type Connected, SERVER_STOPS } from './hub.ts';
import { closingFor, type Identity, identify, leftOf } from './identity.ts';
import { Inbox } from './inbox.ts';
import { Timers } from './timers.ts';
import { Typed } from './typed.ts';

/** How soon a socket asks Auth again that got no answer, ms. */
const RECHECK_MS = 1_000;

/** One client's socket: finds out who is there, handles its frames one after the other, and sees that its session is still good. */
export class Session implements Connected {
  readonly #context: SessionContext;
  readonly #channel: Channel;
  readonly #timers = new Timers((error) => this.#channel.fail(error));
  readonly gone: Promise<void>;
  #admitted: { socketId: string; delivery: Delivery; typed: Typed } | undefined;

  /**
   * @param socket that `ws` is on
   * @param outcome of the token that the client came with; without one it must send it in its first frame
   */
  constructor(ws: WebSocket, socket: Duplex, context: SessionContext, outcome?: Admission | Refused) {
    const { limits } = context;
    this.#context = context;
    this.#channel = new Channel(ws, socket, limits, context.log);
    const inbox = new Inbox(this.#channel, limits, (text) =>
      this.#handle(text).catch((error: unknown) => this.#channel.fail(error)),
    );
    ws.on('message', (data, binary) => {
      if (binary) this.close(closing('unsupported', 'BAD_FRAME', 'a frame must be text'));
      else inbox.receive(String(data));
    });
    for (const control of ['ping', 'pong']) ws.on(control, () => inbox.count());
    this.gone = this.#channel.closed.then(() => this.#forget()).catch(logDefect(context.log, 'a closed socket is not forgotten'));
    if (outcome && !(outcome instanceof Refused)) this.#enter(outcome);
    else this.#arrive(outcome);
    this.#timers.every('probe', limits.pingMs, () => {
      this.#channel.probe();
      this.#check(({ token }) => identify(context.peers, token)).catch((error: unknown) => this.#channel.fail(error));
    });
  }

  get memberId(): string {
    return this.#admitted?.delivery.identity.memberId ?? '';
  }

  close(how: Closing): void {
    this.#channel.close(how);
  }

  cut(how: Closing): void {
    this.#channel.cut(how);
  }

  wake(): void {
    this.#admitted?.delivery.wake();
  }

  recheck(): void {
    // Not behind the frames that wait: their client may be the one to keep out.
    this.#check(({ token }) => this.#vouched(token))
      .then((isKnown) => {
        // It may have been cut off meanwhile, and was then told of no event.
        if (isKnown) this.wake();
        else this.#timers.after('recheck', RECHECK_MS, () => this.recheck());
      })
      .catch((error: unknown) => this.#channel.fail(error));
  }

  async readmit(): Promise<void> {
    const { delivery } = this.#admitted ?? {};
    if (!delivery || this.#channel.closing) return;
    try {
      await this.#vouched(delivery.identity.token);
      await delivery.remember();
    } catch (error) {
      if (error instanceof MusubiError && !error.retryable) this.close(closingFor(error));
      else throw error;
    }
  }

  /** A client that has not said who it is, or was refused. */
  #arrive(refused: Refused | undefined): void {
    const { hub, limits } = this.#context;
    hub.arrive(this, limits.unauthenticatedSockets);
    // Browsers don't show the status of a refused upgrade to a page, but they do show a close code.
    if (refused) this.close(refused.closing);
    else
      this.#timers.after('authenticate', limits.authMs, () =>
        this.close(closing('unauthenticated', 'TOKEN_MISSING', 'no token came in time')),
      );
  }

  #enter(admission: Admission): void {
    const { hub } = this.#context;
    const { socketId, identity } = admission;
    const delivery = new Delivery(this.#context, this.#channel, admission);
    this.#admitted = { socketId, delivery, typed: new Typed(this.#context, this.#channel, () => delivery.identity) };
    this.#timers.stop('authenticate');
    this.#channel.welcome();
    this.#expireWith(identity);
    hub.add(this);
    if (hub.stopping) this.close(SERVER_STOPS);
  }

  async #handle(text: string): Promise<void> {
    const parsed = parseClientFrame(text);
    const frame = 'frame' in parsed ? parsed.frame : undefined;
    if (!this.#admitted) {
      if (frame?.type !== 'auth') return this.close(closing('unauthenticated', 'TOKEN_MISSING', 'the first frame must be auth'));
      // How long it may take to find out who that is, Auth's and the store's own deadlines say.
      this.#timers.stop('authenticate');
      return this.#authenticate(frame.token);
    }
    const { delivery, typed } = this.#admitted;
    if ('bad' in parsed) return this.#channel.send({ type: 'error', ...parsed.bad });
    switch (parsed.frame.type) {
      case 'auth':
        return this.#renew(parsed.frame);
      case 'subscribe':
        return delivery.subscribe(parsed.frame);
      case 'unsubscribe':
        return delivery.unsubscribe(parsed.frame);
      case 'send':
      case 'read':
        return typed.take(parsed.frame);
      case 'ping':
        return this.#channel.send({ type: 'pong', ref: parsed.frame.ref });
    }
  }

  async #authenticate(token: string): Promise<void> {
    try {
      const admission = await admit(this.#context, token);
      if (!this.#channel.closing) return this.#enter(admission);
      await this.#context.hub.unregister({ memberId: admission.identity.memberId, socketId: admission.socketId });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.close(error.closing);
    }
  }

  /** A fresh token before the present one expires: the same member's. */
  async #renew({ token, ref }: Extract<ClientFrame, { type: 'auth' }>): Promise<void> {
    if (!this.#admitted) return;
    if (!(await this.#admitted.delivery.payForRenewal())) return;
    try {
      const identity = await this.#vouched(token);
      this.#admitted.delivery.identity = identity;
      this.#expireWith(identity);
      await this.#admitted.delivery.remember();
    } catch (error) {
      await this.#refuseOrClose(error, ref);
    }
  }

  /** Has Auth say that the token is this member's, ends what the member may not follow any more, and keeps the socket registered. */
  async #vouched(token: string): Promise<Identity> {
    const { memberId } = this;
    const socketId = this.#admitted?.socketId ?? '';
    const narrow = async (identity: Identity, closings: number): Promise<void> =>
      this.#admitted?.delivery.narrow(identity, closings);
    const { identity } = await vouch(this.#context, token, { socketId, memberId, narrow });
    if (this.#channel.closing) await this.#context.hub.unregister({ memberId, socketId });
    return identity;
  }

  /**
   * Finds out whether the session behind the token is still good, and closes the socket if not.
   *
   * @returns false when nobody could say: that Auth is away says nothing about the client
   */
  async #check(ask: (identity: Identity) => Promise<unknown>): Promise<boolean> {
    const identity = this.#admitted?.delivery.identity;
    if (!identity || this.#channel.closing) return true;
    const refusal = await ask(identity).then(
      () => undefined,
      (error: unknown) => error,
    );
    // A fresh token came meanwhile, perhaps of another session.
    if (this.#admitted?.delivery.identity !== identity) return await this.#check(ask);
    if (!refusal) return true;
    if (!(refusal instanceof MusubiError)) throw refusal;
    if (refusal.retryable) return false;
    this.close(closingFor(refusal));
    return true;
  }

  async #refuseOrClose(error: unknown, ref: string | undefined): Promise<void> {
    if (error instanceof Refused) return this.close(error.closing);
    if (!(error instanceof MusubiError)) throw error;
    if (error.retryable) await this.#channel.send({ type: 'error', ref, ...error.told });
    else this.close(closingFor(error));
  }

  async #forget(): Promise<void> {
    this.#timers.end();
    this.#admitted?.delivery.end();
    this.#context.hub.remove(this);
    if (!this.#admitted) return;
    await this.#context.hub.unregister({ memberId: this.memberId, socketId: this.#admitted.socketId });
  }

  #expireWith(identity: Identity): void {
    this.#timers.after('expire', leftOf(identity), () => this.close(closing('unauthenticated', 'TOKEN_EXPIRED')));
  }
}
