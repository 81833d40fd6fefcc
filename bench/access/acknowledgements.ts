import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Client, login } from '../../test/client.ts';
import { Socket } from '../../test/socket.ts';
import type { Known } from './facts.ts';

const RENEW_MS = 150_000;
/** A change is acknowledged by the first of these; the others undo it. */
const DONE: readonly string[] = ['applied', 'completed'];
const UNDONE: readonly string[] = ['failed', 'cancelled'];

/** How a change is acknowledged: as the answer that was waited for, or as a frame on the socket. */
export type Way = 'answer' | 'frame';

/** Whether it was done; undefined: nobody knows. */
export interface Outcome {
  isDone: Known;
  /** Why it was not, or may not have been. */
  why?: string;
}

/** An administrator that asks for changes, and learns when they are in force. */
export class Acknowledgements {
  readonly client: Client;
  readonly #socket: Socket;
  readonly #states = new Map<string, string>();
  readonly #waiting = new Map<string, () => void>();
  readonly #renewal: NodeJS.Timeout;

  private constructor(client: Client, socket: Socket, credentials: { loginId: string; password: string }) {
    this.client = client;
    this.#socket = socket;
    socket.onFrame = ({ job }) => {
      if (!job || this.#states.has(job.id)) return;
      this.#states.set(job.id, job.state);
      this.#waiting.get(job.id)?.();
    };
    // Access tokens, and sockets with them, last five minutes.
    this.#renewal = setInterval(() => {
      void login(credentials.loginId, credentials.password).then(({ token }) => {
        client.token = token;
        socket.send({ type: 'auth', token });
      });
    }, RENEW_MS);
  }

  static async open(credentials: { loginId: string; password: string }): Promise<Acknowledgements> {
    const client = await login(credentials.loginId, credentials.password);
    const socket = await Socket.open(client.token);
    socket.send({ type: 'subscribe', topics: [] });
    await socket.frame(({ type }) => type === 'subscribed');
    return new Acknowledgements(client, socket, credentials);
  }

  /** Asks for a change, and waits until it is acknowledged. */
  async of(way: Way, ask: (headers: Record<string, string>) => Promise<Answer>): Promise<Outcome> {
    const { status, body } = await ask(way === 'answer' ? { prefer: 'wait=30' } : {});
    if (status === 202) return await this.#end(body.jobId);
    if (status < 300) return { isDone: true };
    return { isDone: status < 500 ? false : undefined, why: `${status} ${body.code}` };
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal);
    await this.#socket.close();
  }

  async #end(jobId: string): Promise<Outcome> {
    if (!this.#states.has(jobId)) {
      const told = new Promise<void>((resolve) => this.#waiting.set(jobId, resolve));
      await Promise.race([told, sleep(60_000, undefined, { ref: false })]);
      this.#waiting.delete(jobId);
    }
    const state = this.#states.get(jobId) ?? 'not told';
    this.#states.delete(jobId);
    if (DONE.includes(state)) return { isDone: true };
    if (!UNDONE.includes(state)) throw new Error(`job ${jobId} of the checker is ${state}`);
    const { body } = await this.client.get(`/v1/jobs/${jobId}`);
    return { isDone: false, why: `${state} ${body.error?.code}` };
  }
}
