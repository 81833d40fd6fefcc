import test, { type ExecutionContext } from 'ava';
import { Client } from 'pg';
import { outboxStream } from '#platform/outbox/redis-outbox.ts';
import { servers } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { arrived, KINDS, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';
import { type Wire, wireTo } from './wire.fixture.ts';

// Who leads: a lease that nobody uses must not keep the others standing by, and no probe may be green meanwhile.

const all = (boxes: Outboxes, key: string, relay: RelayProcess, ms = 30_000): Promise<void> =>
  until(() => KINDS.every((kind) => arrived(boxes, kind, key)), `${key} arrives`, ms).catch((error: unknown) => {
    throw new Error(`${error}\n${relay.output()}`);
  });

const writeAll = async (boxes: Outboxes, key: string): Promise<void> => {
  for (const kind of KINDS) await boxes.write(kind, key, 1);
};

test.serial('a leader that hangs loses its lead within seconds, and stands by when it goes on', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay(Object.values(boxes.sources));
  await first.isHealthy();
  const second = await startRelay(Object.values(boxes.sources));
  await second.isHealthy();
  first.child.kill('SIGSTOP');
  await writeAll(boxes, 'one');
  await all(boxes, 'one', second);
  first.child.kill('SIGCONT');
  await writeAll(boxes, 'two');
  await all(boxes, 'two', second);
  await first.isHealthy();
  const standsBy = (source: string) => first.output().split(`"source":"${source[0]}","state":"standby"`).length > 1;
  await until(() => Object.values(boxes.sources).every(standsBy), 'the first stands by');
  t.pass();
});

/** Wires to the stores, and the environment of a relay that uses them. */
async function wires(t: ExecutionContext): Promise<{ env: Record<string, string>; cut(hello?: string): void }> {
  const urls = {
    MUSUBI_POSTGRES_URL: new URL(servers.postgres().reveal()),
    MUSUBI_MONGODB_URL: new URL(servers.mongodb().reveal()),
    MUSUBI_REDIS_URL: new URL(servers.redis().reveal()),
  };
  // Or the driver would go to the address by which the replica set calls itself.
  urls.MUSUBI_MONGODB_URL.search = '?directConnection=true';
  const made: Wire[] = [];
  for (const url of Object.values(urls)) {
    const wire = await wireTo(Number(url.port));
    url.port = String(wire.port);
    made.push(wire);
  }
  t.teardown(() => {
    for (const wire of made) wire.close();
  });
  return {
    env: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, url.href])),
    cut: (hello) => {
      for (const wire of made) wire.cut(hello);
    },
  };
}

test.serial('a relay whose connections have died without a word relays again within seconds', async (t) => {
  const boxes = await outboxes(t);
  const { env, cut } = await wires(t);
  const relay = await startRelay(Object.values(boxes.sources), env);
  await writeAll(boxes, 'one');
  await all(boxes, 'one', relay);
  await relay.isHealthy();
  cut();
  await writeAll(boxes, 'two');
  await all(boxes, 'two', relay, 60_000);
  await relay.isHealthy();
  t.pass();
});

test.serial('a relay of whose connections only the log has died without a word reads it over another', async (t) => {
  const boxes = await outboxes(t);
  const { env, cut } = await wires(t);
  const relay = await startRelay([boxes.sources.postgres], env);
  await relay.isHealthy();
  cut('replication');
  await boxes.write('postgres', 'one', 1);
  await until(() => arrived(boxes, 'postgres', 'one'), 'one is found');
  await until(() => relay.output().includes('the replication is silent'), 'it is noticed', 90_000);
  await relay.isHealthy();
  const found = relay.output().split('wait in the outbox for too long').length;
  await boxes.write('postgres', 'two', 1);
  await until(() => arrived(boxes, 'postgres', 'two'), 'two arrives');
  t.is(relay.output().split('wait in the outbox for too long').length, found);
});

test.serial('one that stands by notices that its connections have died, and takes over', async (t) => {
  const boxes = await outboxes(t);
  const { env, cut } = await wires(t);
  const first = await startRelay(Object.values(boxes.sources));
  await first.isHealthy();
  const second = await startRelay(Object.values(boxes.sources), env);
  await second.isHealthy();
  cut();
  await first.kill('SIGKILL');
  await writeAll(boxes, 'one');
  await all(boxes, 'one', second, 60_000);
  t.pass();
});

test.serial('a lease whose holder does nothing is not passed over in silence', async (t) => {
  const boxes = await outboxes(t);
  const url = new URL(servers.postgres().reveal());
  url.pathname = `/${boxes.name}`;
  const holder = new Client({ connectionString: url.href });
  holder.on('error', () => undefined); // when the test has failed
  await holder.connect();
  await holder.query('select pg_advisory_lock(7201003)');
  const state = boxes.mongo.db.collection<{ _id: string; owner: string; until: Date }>('outbox_relay');
  const lease = `${outboxStream(boxes.name)}:relay`;
  const hold = async (): Promise<void> => {
    await state.updateOne({ _id: 'relay' }, [{ $set: { owner: 'holder', until: { $add: ['$$NOW', 5_000] } } }], { upsert: true });
    await boxes.redis.set(lease, 'holder', 'PX', 5_000);
  };
  await hold();
  const holding = setInterval(() => void hold(), 500);
  t.teardown(() => clearInterval(holding));
  const relay = await startRelay(Object.values(boxes.sources));
  const standsBy = (source: string) => relay.output().includes(`"source":"${source[0]}","state":"standby"`);
  await until(() => Object.values(boxes.sources).every(standsBy), 'it stands by');
  await relay.isHealthy();
  await writeAll(boxes, 'one');
  for (const source of ['p', 'm', 'r'])
    await relay.says(source, /events wait for more than 10 s: the relay that leads does not/, 25_000);
  t.false(KINDS.some((kind) => arrived(boxes, kind, 'one')));
  clearInterval(holding);
  await holder.end();
  await all(boxes, 'one', relay);
  await relay.isHealthy();
});

test.serial('a lease that would last too long, because the clock of its store was set back, is taken', async (t) => {
  const boxes = await outboxes(t);
  const state = boxes.mongo.db.collection<{ _id: string; owner: string; until?: Date }>('outbox_relay');
  await state.insertOne({ _id: 'relay', owner: 'dead', until: new Date(Date.now() + 3_600_000) });
  const lease = `${outboxStream(boxes.name)}:relay`;
  await boxes.redis.set(lease, 'dead', 'PX', 3_600_000);
  const relay = await startRelay(Object.values(boxes.sources));
  await writeAll(boxes, 'one');
  await all(boxes, 'one', relay);
  await relay.kill('SIGKILL');
  // Nor is one that never ends a lease.
  await state.replaceOne({ _id: 'relay' }, { owner: 'dead' });
  await boxes.redis.set(lease, 'dead');
  const second = await startRelay(Object.values(boxes.sources));
  await writeAll(boxes, 'two');
  await all(boxes, 'two', second);
  t.pass();
});

test.serial('a relay that ends in order leaves nothing to repeat, and gives its lead away at once', async (t) => {
  const boxes = await outboxes(t);
  const first = await startRelay(Object.values(boxes.sources));
  await writeAll(boxes, 'one');
  await all(boxes, 'one', first);
  await first.kill('SIGTERM');
  for (const kind of KINDS) t.is(await boxes.unsent(kind), 0, 'what was sent has left the outbox');
  t.is(await boxes.redis.exists(`${outboxStream(boxes.name)}:relay`), 0);
  t.is(
    (await boxes.mongo.db.collection<{ _id: string; owner?: string }>('outbox_relay').findOne({ _id: 'relay' }))?.owner,
    undefined,
  );
});
