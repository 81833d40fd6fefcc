import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { address, admin, Client, login, unique } from './client.ts';
import { ports } from './control.ts';
import { readTopics } from './evidence.ts';

test('no password or token is in any log, history, event or metric', async (t) => {
  const as = await admin();
  const loginId = unique('secret');
  const password = unique('hunter2');
  const registered = await as.post(
    '/v1/members',
    { loginId, password, displayName: 'Secret', email: `${loginId}@example.com` },
    { prefer: 'wait=30' },
  );
  t.is(registered.status, 201);
  // What goes wrong is logged: give every secret a way to go wrong.
  await as.post('/v1/members', `{"loginId": "${loginId}", "password": "${password}"`);
  await as.post('/v1/members', { loginId, password, displayName: 7 });
  await as.post('/v1/members', { loginId, password, displayName: 'Taken', email: 'x@example.com' }, { prefer: 'wait=30' });
  const self = await login(loginId, password);
  const session = (await new Client().post('/v1/auth/login', { loginId, password })).body;
  await new Client(`${session.accessToken}x`).get('/v1/members/me');
  await new Client().post('/v1/auth/refresh', { refreshToken: `${session.refreshToken}x` });
  await self.delete(`/v1/members/${registered.body.memberId}`);
  const secrets = [
    password,
    session.accessToken,
    session.refreshToken,
    self.token ?? '',
    as.token ?? '',
    address('MUSUBI_ADMIN_PASSWORD'),
  ];
  const found = (text: string): number[] => secrets.flatMap((secret, index) => (text.includes(secret) ? [index] : []));

  const logs = join(address('MUSUBI_TEST_DATA'), 'logs');
  const files = readdirSync(logs);
  t.true(files.length >= 10);
  for (const file of files) t.deepEqual(found(readFileSync(join(logs, file), 'utf8')), [], `in the log ${file}`);

  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const temporal = new TemporalClient({ connection });
  const query = `MusubiAggregate = '${registered.body.memberId}'`;
  // Temporal's list follows the workflows within moments.
  for (let i = 0; i < 600 && (await temporal.workflow.count(query)).count === 0; i++) await sleep(100);
  let histories = 0;
  for await (const { workflowId } of temporal.workflow.list({ query })) {
    const history = await temporal.workflow.getHandle(workflowId).fetchHistory();
    // Payloads are base64 in JSON: look into them as text.
    const text = JSON.stringify(history, (key, value: unknown) =>
      key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
    );
    t.regex(text, new RegExp(registered.body.memberId));
    t.deepEqual(found(text), [], `in the history of ${workflowId}`);
    histories++;
  }
  t.true(histories >= 1);
  await connection.close();

  // Members' events in Kafka, read to their ends.
  const read = async (): Promise<number> => {
    let events = 0;
    const leaks: string[] = [];
    await readTopics(['member.events', 'member-roles.events', 'auth.events', 'job.events'], (topic, { value, headers = {} }) => {
      const text = [value, ...Object.values(headers)].map(String).join(' ');
      if (text.includes(registered.body.memberId)) events++;
      if (found(text).length > 0) leaks.push(`${topic} ${text}`);
    });
    t.deepEqual(leaks, []);
    return events;
  };
  // Only those that queries show are known to be there by now; Auth's and Job's come when the relay gets to them.
  let events = await read();
  for (const deadline = Date.now() + 60_000; events < 6 && Date.now() < deadline; ) events = await read();
  t.true(events >= 6, `${events} events of the member`);

  const exposed = Object.entries(await ports()).filter(([, { ops }]) => ops !== undefined);
  t.true(exposed.length >= 9);
  for (const [role, { ops }] of exposed) {
    const text = await (await fetch(`http://127.0.0.1:${ops}/metrics`)).text();
    t.regex(text, /^process_cpu_seconds_total /m, role);
    t.deepEqual(found(text), [], `in the metrics of ${role}`);
  }
});
