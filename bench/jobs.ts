import WebSocket from 'ws';
import { type Answer, address, type Client } from '../test/client.ts';

interface Job {
  id: string;
  state: string;
  result?: unknown;
  error?: { code: string; message: string };
}

/** The ends of a member's jobs, as its socket tells them. */
export class Jobs {
  readonly #finished = new Map<string, Job>();
  readonly #waiting = new Map<string, (job: Job) => void>();
  readonly #ws: WebSocket;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on('message', (data) => {
      const { type, job } = JSON.parse(String(data)) as { type: string; job?: Job };
      if (type !== 'job' || !job || !['completed', 'failed', 'cancelled'].includes(job.state)) return;
      const wake = this.#waiting.get(job.id);
      if (wake) {
        this.#waiting.delete(job.id);
        wake(job);
      } else this.#finished.set(job.id, job);
    });
  }

  static async follow(client: Client): Promise<Jobs> {
    const ws = new WebSocket(address('MUSUBI_WEBSOCKET_URL'), 'musubi.v1', {
      headers: { authorization: `Bearer ${client.token}` },
    });
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    return new Jobs(ws);
  }

  /** The job that the answer (202) told of, once it is final; rejects unless it is completed. */
  async done(answer: Answer): Promise<Job> {
    if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${JSON.stringify(answer.body)}`);
    const job = await this.final(answer.body.jobId);
    if (job.state !== 'completed') throw new Error(`job ${job.id} ${job.state}: ${JSON.stringify(job.error)}`);
    return job;
  }

  /** The job once it is final, completed or not. */
  final(jobId: string): Promise<Job> {
    const early = this.#finished.get(jobId);
    if (early) {
      this.#finished.delete(jobId);
      return Promise.resolve(early);
    }
    return new Promise((resolve) => this.#waiting.set(jobId, resolve));
  }

  async close(): Promise<void> {
    this.#ws.terminate();
  }
}
