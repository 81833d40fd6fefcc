import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { LAYOUTS } from '../local/layouts.ts';
import { PROGRAMS } from '../local/programs.ts';
import { address, admin, login, register, unique } from './client.ts';
import { trace } from './collector.ts';
import { rows } from './evidence.ts';

// Names, logins, e-mail addresses and what members say to each other are kept where they belong: in the services' stores, in their events, and in what a
// saga was given. What is told of what happens (logs, spans, failures, summaries) goes by IDs.

/** The logs of Musubi's own processes. */
const LOGS = Object.values(LAYOUTS).flatMap((processes) => processes.map(({ name }) => `${name}.log`));

test('no login, name, e-mail address, message or reason is in any log, span, failure, summary, search attribute or refusal', async (t) => {
  const traceId = randomBytes(16).toString('hex');
  const traced = { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01`, prefer: 'wait=30' };
  const as = await admin();
  const other = await register(as);
  const loginId = unique('private');
  const displayName = unique('Hanako');
  const email = `${unique('mail')}@example.com`;
  const password = 'correct horse battery';
  const [message, why] = [unique('please'), unique('because')];
  const personal = [loginId, displayName, email, message, why];
  const found = (text: string): string[] => personal.filter((value) => text.toLowerCase().includes(value.toLowerCase()));

  const body = { loginId, password, displayName, email };
  const { id: memberId } = (await as.post('/v1/members', body, traced)).body;
  t.truthy(memberId);
  // Every way to be told no, and who asks in vain is logged.
  const told = [
    await as.post('/v1/members', body, traced),
    await as.patch(`/v1/members/${other.memberId}`, { loginId: loginId.toUpperCase(), displayName, email }, traced),
    await as.patch(`/v1/members/${memberId}`, { displayName: `${displayName}\u0000` }, traced),
    await as.patch(`/v1/members/${memberId}`, { email: `${email}@` }, traced),
    await as.patch(`/v1/members/${memberId}`, { displayName }, { ...traced, 'if-match': '"1"' }),
    await as.post('/v1/auth/login', { loginId, password: 'wrong horse battery' }, traced),
  ];
  for (const { status, body: problem } of told) {
    t.true(status >= 400 && status < 500, JSON.stringify(problem));
    t.deepEqual(found(JSON.stringify(problem)), [], 'a refusal says which field, not what was in it');
  }
  await as.get(`/v1/members?query=${encodeURIComponent(displayName)}`, traced);
  const own = await login(loginId, password);
  await own.get('/v1/members/me', traced);
  const group = (await as.post('/v1/groups', { name: unique('Group'), visibility: 'request' }, traced)).body.id;
  const requests = `/v1/groups/${group}/join-requests`;
  t.is((await own.post(requests, { message }, traced)).status, 201);
  t.is((await as.post(`${requests}/${memberId}:decline`, { reason: why }, traced)).status, 204);
  await as.delete(`/v1/members/${memberId}`, traced);

  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const temporal = new TemporalClient({ connection });
  const query = `MusubiAggregate = '${memberId}' or MusubiAggregate = '${other.memberId}' or MusubiFailure = 'LOGIN_TAKEN'`;
  for (let i = 0; i < 600 && (await temporal.workflow.count(query)).count < 6; i++) await sleep(100);
  const seen = new Set<string>();
  for await (const { workflowId, raw } of temporal.workflow.list({ query })) {
    const handle = temporal.workflow.getHandle(workflowId);
    const [history, described] = [await handle.fetchHistory(), await handle.describe()];
    const metadata = await handle.query('__temporal_workflow_metadata');
    const summaries = [await described.staticSummary(), await described.staticDetails(), metadata];
    const shown = JSON.stringify([asText(raw.searchAttributes), summaries]);
    t.deepEqual(found(shown), [], `what is shown of ${workflowId}: ${shown}`);
    for (const event of history.events ?? []) {
      // What a step was given, and keeps to be done again, is the saga's own; how it failed and what it is called are not.
      const { failure } = event.markerRecordedEventAttributes ?? event.workflowExecutionFailedEventAttributes ?? {};
      const { result } = event.workflowExecutionCompletedEventAttributes ?? {};
      const text = asText([failure, result, event.userMetadata]);
      t.deepEqual(found(text), [], `${workflowId}: ${text}`);
      if (failure) seen.add('failure');
      if (event.userMetadata) seen.add('summary');
      if (result) seen.add('result');
    }
  }
  t.deepEqual([...seen].sort(), ['failure', 'result', 'summary']);
  await connection.close();

  // What is kept of jobs, and told of them on sockets and by REST.
  const jobs = (await as.get('/v1/jobs?pageSize=100')).body.items;
  t.deepEqual(found(JSON.stringify(jobs)), []);
  for (const database of ['musubi_member', 'musubi_group'])
    t.deepEqual(found(JSON.stringify(await rows(database, 'select id, step, result from operations'))), []);

  // Each process sends its spans when it gets to it.
  const hops = ['musubi-gateway', 'musubi-auth', 'musubi-member', 'musubi-query'];
  let spans = await trace(traceId);
  for (let i = 0; i < 300 && !hops.every((hop) => spans.some(({ service }) => service === hop)); i++) {
    await sleep(200);
    spans = await trace(traceId);
  }
  t.true(spans.length > 20, `${spans.length} spans`);
  for (const { service, name, attributes } of spans) t.deepEqual(found(`${name} ${attributes}`), [], `${service} ${name}`);

  const folder = join(address('MUSUBI_TEST_DATA'), 'logs');
  const files = readdirSync(folder).filter((file) => LOGS.includes(file.replace(/\.previous/, '')));
  const programs = files.flatMap((file) => readFileSync(join(folder, file), 'utf8').match(/(?<="program":")[a-z]+/g) ?? []);
  for (const { name } of PROGRAMS) t.true(programs.includes(name), `${name} has logged`);
  for (const file of files) {
    const lines = readFileSync(join(folder, file), 'utf8').split('\n');
    t.deepEqual(
      lines.filter((line) => found(line).length > 0),
      [],
      file,
    );
  }
});

/** With what payloads hold. */
const asText = (value: unknown): string =>
  JSON.stringify(value, (key, inner: unknown) => {
    if (key !== 'data') return inner;
    const bytes = inner instanceof Uint8Array ? inner : Buffer.from(String(inner), 'base64');
    return Buffer.from(bytes).toString();
  }) ?? '';
