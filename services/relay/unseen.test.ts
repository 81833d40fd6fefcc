import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Client } from 'pg';
import { servers } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { type OwnServers, ownServers } from './own-servers.fixture.ts';
import { arrived, outboxes, startRelay } from './relay.fixture.ts';

// The log tells of a commit before other sessions see it: here for as long as a synchronous standby is waited for.

let own: OwnServers;
test.before('start PostgreSQL', async () => {
  own = await ownServers('postgres');
});
test.after.always('stop it', () => own?.close());

async function standbys(names: string): Promise<void> {
  const client = new Client({ connectionString: servers.postgres().reveal() });
  await client.connect();
  await client.query(`alter system set synchronous_standby_names = '${names}'`);
  await client.query('select pg_reload_conf()');
  await client.end();
  await sleep(300); // the server's processes read it in their own time
}

test('an event that was sent before its row could be seen is not sent again behind a newer one', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.postgres]);
  await boxes.write('postgres', 'first', 1);
  await until(() => arrived(boxes, 'postgres', 'first'), 'the relay works');
  await standbys('nobody');
  const held = boxes.write('postgres', 'a', 1);
  await until(() => arrived(boxes, 'postgres', 'a'), 'it is sent');
  t.is(await boxes.unsent('postgres'), 0, 'nobody sees it yet');
  await sleep(600); // the row's removal is tried meanwhile
  await standbys('');
  await held;
  await boxes.write('postgres', 'a', 2);
  await until(async () => (await boxes.unsent('postgres')) === 0, 'the outbox is empty');
  await boxes.write('postgres', 'last', 1);
  await until(() => arrived(boxes, 'postgres', 'last') && arrived(boxes, 'postgres', 'a', 2), 'all have arrived');
  t.deepEqual(
    boxes.received.postgres.filter(({ subject }) => subject === 'a').map(({ version }) => version),
    [1, 2],
  );
  await relay.isHealthy();
});
