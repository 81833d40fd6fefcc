import { Gauge } from '@prometheus-io/client';
import type { Client } from 'pg';
import { atMost, pause, whenAborted } from '../concurrency/abort.ts';
import { Batcher } from '../concurrency/batcher.ts';
import type { Secret } from '../process/config.ts';
import { type Logger, logDefect } from '../process/log.ts';
import { metrics } from '../process/telemetry.ts';
import type { StoredEvent } from './event.ts';
import { InFlight } from './in-flight.ts';
import { LEASE_MS, type LeaseStore, underLease } from './lease.ts';
import * as outbox from './postgres-outbox.ts';
import { Removal } from './postgres-removal.ts';
import { isUseless, type Lsn, Replication } from './replication.ts';
import { BATCH, END_TIMEOUT_MS, every, LOOK_EVERY_MS, type OutboxSource, type RelayContext } from './source.ts';

/** Advisory lock key of the relay that leads; any constant, the same in every relay. */
const RELAY_LOCK = 7_201_003;
/** The server ends a session that is silent for so long, and with it its lock, even if its relay hangs. */
const SILENT_AFTER_MS = 2 * LEASE_MS;

const retained = new Gauge({
  name: 'musubi_outbox_retained_wal_bytes',
  help: 'Write-ahead log that the server keeps for the relay, by source',
  labelNames: ['source'],
  registers: [metrics],
});

/** Rows of one commit, or of the table when the log did not tell of them: then there is no `xid` and no `end`. */
interface Committed {
  rows: outbox.OutboxRow[];
  xid?: number;
  end?: Lsn;
}

/**
 * The table `outbox` of a PostgreSQL database (15 or newer). A logical replication slot tells of its rows as they are
 * committed; those that it does not tell of are found in the table, for a row stays there until Kafka has it.
 */
export class PostgresSource implements OutboxSource {
  readonly name: string;
  readonly #url: string;
  readonly #slot: string;
  readonly #log: Logger;
  /** Whether the server will not decode from the slot any more. */
  #slotIsUseless = false;
  /** Whether there may be rows that the log will not tell of. */
  #missed = true;

  constructor(options: { name: string; url: Secret; database: string; log: Logger }) {
    this.name = options.name;
    const url = new URL(options.url.reveal());
    url.pathname = `/${options.database}`;
    this.#url = url.href;
    // Slots belong to the server, not to the database: the name tells whose it is.
    this.#slot = `outbox_${options.database.toLowerCase().replace(/[^a-z0-9_]/g, '_')}`.slice(0, 63);
    this.#log = options.log;
  }

  async run(context: RelayContext): Promise<void> {
    const { client, lost, close } = await outbox.connect({
      connectionString: this.#url,
      // What is removed must not come back behind newer events after a crash of the server; standbys may be away.
      options: `-c idle_session_timeout=${SILENT_AFTER_MS} -c synchronous_commit=local`,
    });
    const standBy = async (): Promise<void> => {
      context.standBy();
      context.waits(await outbox.oldest(client));
    };
    try {
      await underLease(sessionLease(client), context.signal, standBy, (signal) =>
        Promise.race([this.#lead(client, context, signal), lost]),
      );
    } finally {
      await close();
    }
  }

  async #lead(client: Client, context: RelayContext, signal: AbortSignal): Promise<void> {
    await this.#prepare(client, context, signal);
    let confirmed: Lsn = 0n;
    /** Everything before it has been handed over. */
    let reached: Lsn = 0n;
    const confirm = (position: Lsn): void => {
      if (position > confirmed) confirmed = position;
      stream.acknowledge(confirmed);
    };
    const inFlight = new InFlight();
    // Rows are deleted before their position is acknowledged. So each row in the table is still to be reported by the log,
    // or was missed by it.
    const removal = new Removal(client, (ids, end) => {
      inFlight.ended(ids);
      if (end !== undefined) confirm(end);
    });
    const batcher = new Batcher<Committed>(async (committed) => {
      const sent = new Set(await context.publish(committed.flatMap(({ rows }) => rows.map(toStored))));
      for (const { rows, ...commit } of committed) {
        const ids = Map.groupBy(rows.map(idOf), (id) => sent.has(id));
        inFlight.ended(ids.get(false) ?? []);
        removal.push({ ...commit, ids: ids.get(true) ?? [] });
      }
    }, BATCH);
    const options = { url: this.#url, slot: this.#slot, publication: outbox.PUBLICATION, table: outbox.TABLE };
    const stream = new Replication(options, {
      transaction: (inserted, xid, end) => {
        const rows = inserted as unknown as outbox.OutboxRow[];
        inFlight.reported(rows.map(idOf));
        batcher.push({ rows, xid, end });
        if (!batcher.full) return;
        stream.pause();
        batcher
          .room()
          .then(() => stream.resume())
          .catch(logDefect(this.#log, 'the log is read no further'));
      },
      progress: (position, wanted) => {
        reached = position;
        if (wanted) confirm(confirmed);
      },
    });
    const look = async (): Promise<void> => {
      const [slot, published, oldest] = await Promise.all([
        outbox.slotState(client, this.#slot),
        outbox.isPublished(client),
        outbox.oldest(client),
      ]);
      if (slot) retained.set({ source: this.name }, slot.retained);
      if (!published) throw new Error('the publication is not as it was made');
      if (!batcher.full) stream.ask(confirmed);
      if (context.waits(oldest)) {
        for await (const rows of inFlight.sweep(outbox.everything(this.#url, signal), idOf)) {
          batcher.push({ rows });
          await batcher.room();
        }
      }
      // The server has had no event for us before `reached`: once all that came before is sent, it may forget that log.
      if (batcher.idle && removal.idle && reached > confirmed) confirm(reached);
    };
    try {
      await outbox.freeSlot(client, this.#slot);
      await stream.start();
      await context.lead();
      const broken = [stream.failed, batcher.failed, removal.failed];
      await Promise.race([...broken, every(LOOK_EVERY_MS, signal, look), whenAborted(signal)]);
    } catch (error) {
      this.#slotIsUseless = isUseless(stream.fault);
      throw error;
    } finally {
      await atMost(END_TIMEOUT_MS, batcher.close());
      await atMost(END_TIMEOUT_MS, removal.close());
      await stream.close();
    }
  }

  /**
   * Makes the log report every row from now on. Rows that it may have missed are sent from the table before that, and
   * rows written during it are sent after, so each key keeps its order. (Rows that the log reports as well are sent twice.)
   */
  async #prepare(client: Client, context: RelayContext, signal: AbortSignal): Promise<void> {
    const [slot, published] = await Promise.all([outbox.slotState(client, this.#slot), outbox.isPublished(client)]);
    const usable = slot?.usable === true && !this.#slotIsUseless;
    this.#missed ||= !usable || !published;
    if (!this.#missed) return;
    await this.#sendAll(client, context, signal);
    if (!published) await outbox.makePublication(client);
    if (!usable) await this.#makeSlot(client, context, signal);
    this.#slotIsUseless = false;
    if (!usable || !published) {
      const level = slot === undefined && published ? 'info' : 'warn';
      this.#log[level]({ slot: this.#slot, usable, published }, 'made what tells of new events');
      await this.#sendAll(client, context, signal);
    }
    this.#missed = false;
  }

  /**
   * Making the slot waits for every transaction that runs on the server. During that time the outbox is sent from the
   * table.
   */
  async #makeSlot(client: Client, context: RelayContext, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const making = outbox.makeSlot(this.#url, this.#slot, AbortSignal.any([signal, ended.signal]));
    making.then(
      () => ended.abort(),
      () => ended.abort(),
    );
    try {
      while (!ended.signal.aborted) {
        await pause(LOOK_EVERY_MS, ended.signal);
        if (!ended.signal.aborted) await this.#sendAll(client, context, signal);
      }
      await making;
    } finally {
      ended.abort();
    }
  }

  async #sendAll(client: Client, context: RelayContext, signal: AbortSignal): Promise<void> {
    for await (const rows of outbox.everything(this.#url, signal)) {
      signal.throwIfAborted();
      await outbox.remove(client, await context.publish(rows.map(toStored)));
    }
  }
}

const idOf = ({ id }: outbox.OutboxRow): string => String(id);

function toStored({ payload, ...row }: outbox.OutboxRow): StoredEvent {
  // Text, if somebody has made it a column of text: events are objects.
  return {
    ...row,
    key: String(row.id),
    time: row.created_at,
    ...(typeof payload === 'string' ? { json: payload } : { payload }),
  };
}

/** A lock of the session's: it lasts as long as the connection, which the server ends when it is silent for too long. */
function sessionLease(client: Client): LeaseStore {
  let mine = false;
  return {
    take: async () => {
      // Asking now and then rather than waiting in the server: a waiting statement would hold vacuum back.
      const query = mine ? 'select true as mine' : `select pg_try_advisory_lock(${RELAY_LOCK}) as mine`;
      const { rows } = await client.query<{ mine: boolean }>(query);
      mine = rows[0]?.mine === true;
      return mine;
    },
    release: async () => void (await client.query(`select pg_advisory_unlock(${RELAY_LOCK})`)),
  };
}
