import type { Admin } from 'kafkajs';
import { type KafkaOptions, kafkaClient } from './client.ts';

/** Asks the brokers who they are, over a connection of its own: for probes of who only writes. */
export class KafkaAnswers {
  readonly #options: KafkaOptions;
  #admin: Promise<Admin> | undefined;
  #asking: Promise<void> | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  /** Rejects when they are away; does not return while they hang. */
  check(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async close(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.then((open) => open.disconnect()).catch(() => undefined);
  }

  async #ask(): Promise<void> {
    this.#admin ??= this.#open();
    try {
      const { brokers } = await (await this.#admin).describeCluster();
      if (brokers.length === 0) throw new Error('no broker takes part');
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #open(): Promise<Admin> {
    const admin = kafkaClient(this.#options).admin();
    await admin.connect();
    return admin;
  }
}
