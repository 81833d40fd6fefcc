import { Gauge } from '@prometheus-io/client';
import { Client } from 'pg';
import { whenAborted } from '../abort.ts';
import type { Secret } from '../config.ts';
import type { Logger } from '../log.ts';
import { metrics } from '../telemetry.ts';
import { Batcher } from './batcher.ts';
import type { OutboxRecord } from './event.ts';
import { type Lsn, Replication } from './replication.ts';
import { BATCH, OUTBOX_KEPT_MS, type OutboxSource, type RelayContext, sleep } from './source.ts';

const PUBLICATION = 'outbox_pub';
/** Advisory lock key of the relay that leads; any constant, the same in every relay. */
const RELAY_LOCK = 7_201_003;
const STANDBY_MS = 1_000;
/** How often an idle relay tells the server how far it is, so that the server can let go of its log. */
const PROGRESS_EVERY_MS = 10_000;
const CHECK_EVERY_MS = 15_000;
const PRUNE_EVERY_MS = 3_600_000;

const retained = new Gauge({
  name: 'musubi_outbox_retained_wal_bytes',
  help: 'Write-ahead log that the server keeps for the relay, by source',
  labelNames: ['source'],
  registers: [metrics],
});

interface OutboxRow {
  id: string;
  aggregatetype: string;
  aggregateid: string;
  type: string;
  payload: unknown;
  version: string;
  traceparent: string;
  created_at: Date;
}

interface Committed {
  rows: OutboxRow[];
  end: Lsn;
}

/** The table `outbox` of a PostgreSQL database, read from the write-ahead log by a logical replication slot. */
export class PostgresSource implements OutboxSource {
  readonly name: string;
  readonly #url: string;
  readonly #slot: string;
  readonly #log: Logger;

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
    const control = new Client({
      connectionString: this.#url,
      application_name: 'musubi-relay',
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
      query_timeout: 60_000,
    });
    const lost = new Promise<never>((_, reject) => {
      control.on('error', reject);
      control.on('end', () => reject(new Error('the connection to the database ended')));
    });
    lost.catch(() => undefined);
    await control.connect();
    try {
      if (!(await this.#elected(control, context))) return;
      await this.#prepareSlot(control, context);
      await this.#relay(control, lost, context);
    } finally {
      await control.end().catch(() => undefined); // gives the lock back too
    }
  }

  /** Waits for the lock of the leader, which lasts as long as the connection; false when the relay stops meanwhile. */
  async #elected(control: Client, { signal, standBy }: RelayContext): Promise<boolean> {
    while (!signal.aborted) {
      // Asking now and then rather than waiting in the server: a waiting statement would hold vacuum back.
      const { rows } = await control.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [RELAY_LOCK]);
      if (rows[0]?.mine) return true;
      standBy();
      await sleep(STANDBY_MS, signal);
    }
    return false;
  }

  /** Makes the slot when it is missing or was lost, and then sends the rows that were committed before it. */
  async #prepareSlot(control: Client, context: RelayContext): Promise<void> {
    const slots = await control.query<{ wal_status: string }>(
      'select wal_status from pg_replication_slots where slot_name = $1',
      [this.#slot],
    );
    const status = slots.rows[0]?.wal_status;
    if (status === 'lost') await control.query('select pg_drop_replication_slot($1)', [this.#slot]);
    if (status === undefined || status === 'lost') {
      await control.query('delete from outbox_slots where slot = $1', [this.#slot]);
      await control.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [this.#slot]);
      this.#log.info({ slot: this.#slot }, 'made a replication slot');
    }
    const filled = await control.query('select 1 from outbox_slots where slot = $1', [this.#slot]);
    if (filled.rowCount === 1) return;
    await this.#sendOld(control, context);
    await control.query('insert into outbox_slots (slot) values ($1) on conflict do nothing', [this.#slot]);
  }

  async #sendOld(control: Client, { publish, signal }: RelayContext): Promise<void> {
    let [id, version, row] = ['', '0', ''];
    for (;;) {
      const { rows } = await control.query<OutboxRow>(
        `select * from outbox where (aggregateid, version, id::text) > ($1, $2, $3) order by aggregateid, version, id::text limit ${BATCH}`,
        [id, version, row],
      );
      const last = rows.at(-1);
      if (!last) return;
      if (signal.aborted) throw new Error('stopped before the old events were sent');
      await publish(rows.map(toEvent));
      [id, version, row] = [last.aggregateid, last.version, last.id];
    }
  }

  async #relay(control: Client, lost: Promise<never>, context: RelayContext): Promise<void> {
    let confirmed: Lsn = 0n;
    let reached: Lsn = 0n;
    const confirm = (position: Lsn): void => {
      if (position > confirmed) confirmed = position;
      stream.acknowledge(confirmed);
    };
    const batcher = new Batcher<Committed>(async (transactions) => {
      await context.publish(transactions.flatMap(({ rows }) => rows.map(toEvent)));
      const end = transactions.at(-1)?.end;
      if (end !== undefined) confirm(end);
    }, BATCH);
    const options = { url: this.#url, slot: this.#slot, publication: PUBLICATION };
    const stream = new Replication(options, {
      transaction: (rows, end) => {
        batcher.push({ rows: rows as unknown as OutboxRow[], end });
        if (!batcher.full) return;
        stream.pause();
        void batcher.room().then(() => stream.resume());
      },
      progress: (position, wanted) => {
        reached = position;
        if (wanted) confirm(batcher.idle ? reached : confirmed);
      },
    });
    const check = setInterval(() => void this.#check(control), CHECK_EVERY_MS);
    // The server has had no event for us before `reached`: once all that came before is sent, it may forget that log.
    const progress = setInterval(() => {
      if (batcher.idle && reached > confirmed) confirm(reached);
    }, PROGRESS_EVERY_MS);
    const prune = setInterval(() => void this.#prune(control), PRUNE_EVERY_MS);
    try {
      await stream.start();
      await context.lead();
      await Promise.race([stream.failed, batcher.failed, lost, whenAborted(context.signal)]);
    } finally {
      clearInterval(check);
      clearInterval(progress);
      clearInterval(prune);
      await batcher.close();
      await stream.close();
    }
  }

  async #check(control: Client): Promise<void> {
    const { rows } = await control
      .query<{ bytes: string }>(
        'select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) as bytes from pg_replication_slots where slot_name = $1',
        [this.#slot],
      )
      .catch(() => ({ rows: [] })); // a lost connection ends the run anyway
    if (rows[0]) retained.set({ source: this.name }, Number(rows[0].bytes));
  }

  async #prune(control: Client): Promise<void> {
    await control
      .query("delete from outbox where created_at < now() - $1 * interval '1 millisecond'", [OUTBOX_KEPT_MS])
      .catch((error: unknown) => this.#log.warn({ err: error }, 'could not prune the outbox; it is tried again in an hour'));
  }
}

function toEvent(row: OutboxRow): OutboxRecord {
  return {
    id: row.id,
    aggregateType: row.aggregatetype,
    aggregateId: row.aggregateid,
    type: row.type,
    version: Number(row.version),
    payload: row.payload,
    traceparent: row.traceparent,
    time: row.created_at,
  };
}
