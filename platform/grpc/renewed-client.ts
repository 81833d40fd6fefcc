import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';

/**
 * How long calls begin on a connection, ms: by a minute less than after what our servers close it at the earliest (server.ts), as they do not
 * wait for streams for good. Were it closed by its server, a call that begins just then would be lost, one in a hundred times on a busy machine:
 * Node's HTTP/2 refuses what is on its way then (https://github.com/grpc/grpc-node/issues/2625).
 */
export const CONNECTION_AGE_MS = 240_000;

/** A client of a target whose connection becomes another one with time, which also finds new instances behind a name; no call is lost by that. */
export class RenewedClient {
  readonly #target: string;
  readonly #options: ChannelOptions;
  readonly #now: () => number;
  /** How many calls are under way on each that is not closed. */
  readonly #calls = new Map<Client, number>();
  #current: Client;
  #age: number;
  #isClosed = false;

  /** @param now in ms, the same for all clients of a process: those of one target share their connection */
  constructor(target: string, options: ChannelOptions, now = () => performance.now()) {
    this.#target = target;
    this.#options = options;
    this.#now = now;
    this.#age = this.#ageNow();
    this.#current = this.#make();
  }

  /** Begins a call. @returns on which client, and what tells that the call is over, however often */
  begin(): { client: Client; end: () => void } {
    this.#renew();
    const client = this.#current;
    this.#count(client, 1);
    let isOver = false;
    const end = (): void => {
      if (!isOver) this.#count(client, -1);
      isOver = true;
    };
    return { client, end };
  }

  /** Ends it for good: whoever calls then is refused. */
  close(): void {
    this.#isClosed = true;
    for (const client of this.#calls.keys()) this.#close(client);
  }

  #renew(): void {
    const age = this.#ageNow();
    if (this.#isClosed || age === this.#age) return;
    const before = this.#current;
    this.#age = age;
    this.#current = this.#make();
    this.#count(before, 0);
  }

  /** One that is used no more is closed after its last call: what still waits for its connection would be refused. */
  #count(client: Client, change: number): void {
    const before = this.#calls.get(client);
    if (before === undefined) return;
    this.#calls.set(client, before + change);
    if (before + change === 0 && client !== this.#current) this.#close(client);
  }

  // gRPC shares a connection among clients of the same options: those of another age have others.
  #make(): Client {
    const client = new Client(this.#target, credentials.createInsecure(), { ...this.#options, 'musubi.age': this.#age });
    this.#calls.set(client, 0);
    return client;
  }

  #close(client: Client): void {
    this.#calls.delete(client);
    client.close();
  }

  #ageNow = (): number => Math.floor(this.#now() / CONNECTION_AGE_MS);
}
