import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { SCHEDULES } from '../temporal.config.ts';
import { address, admin, register } from './client.ts';

test('the Web UI is told of each job what it is, for whom, at which step, and why it failed', async (t) => {
  const as = await admin();
  const one = await register(as);
  const other = await register(as);
  const me = (await as.get('/v1/members/me')).body.id;
  const { body } = await as.patch(`/v1/members/${one.memberId}`, { loginId: other.loginId });
  t.is((await as.finished(body.jobId)).state, 'failed');

  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const handle = new TemporalClient({ connection }).workflow.getHandle(body.jobId);
  // The job ends within the workflow's last task; what the workflow tells of itself is written with that task.
  const refused = { step: 'rebind login', code: 'LOGIN_TAKEN', message: 'The login is taken.' };
  t.deepEqual(await handle.result(), { refused }, 'a refusal is no failed workflow');
  const description = await handle.describe();
  t.is(description.type, 'member.update');
  t.truthy(await description.staticSummary());
  const details = await description.staticDetails();
  t.true(details?.includes(me) && details.includes(one.memberId), details);
  const attributes = JSON.stringify(description.typedSearchAttributes.getAll());
  for (const value of ['member.update', me, one.memberId, 'LOGIN_TAKEN', 'refused'])
    t.true(attributes.includes(value), attributes);
  const metadata = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
  t.regex(metadata.currentDetails, /^Refused: auth service, "rebind login": LOGIN_TAKEN/);
  t.regex(metadata.currentDetails, /All of it is undone/);
  t.regex(metadata.currentDetails, /^- rebind login: \*\*refused: LOGIN_TAKEN\*\*, \d+ ms$/m);

  // What the README tells operators to paste.
  const temporal = new TemporalClient({ connection });
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const queries = [...readme.matchAll(/^\| [^|]+ \| `((?:Musubi|ExecutionStatus)[^`|]+)` +\|$/gm)].map(([, query = '']) => query);
  t.true(queries.length >= 5, `${queries.length}`);
  const found = async (query: string): Promise<number> =>
    (await temporal.workflow.count(query.replace('"…"', `"${one.memberId}"`))).count;
  for (const query of queries) t.true((await found(query)) >= 0, query);
  for (let i = 0; i < 600 && (await found(`MusubiAggregate = "…" and MusubiOutcome = "refused"`)) === 0; i++) await sleep(100);
  t.is(await found(`MusubiAggregate = "…" and MusubiOutcome = "refused"`), 1);
  await connection.close();
});

test('the Web UI shows every Schedule, and what it is for', async (t) => {
  // What its pages are made of.
  const schedules = `${address('MUSUBI_TEMPORAL_UI')}/api/v1/namespaces/default/schedules`;
  const read = async (url: string): Promise<any> => (await fetch(url)).json();
  for (const [id, { summary }] of Object.entries(SCHEDULES)) {
    const isListed = async (): Promise<boolean> => JSON.stringify(await read(schedules)).includes(`"scheduleId":"${id}"`);
    for (let i = 0; i < 600 && !(await isListed()); i++) await sleep(100);
    t.true(await isListed(), id);
    const { schedule } = await read(`${schedules}/${id}`);
    t.is(schedule.state.notes, summary);
    t.is(schedule.action.startWorkflow.workflowType.name, id);
  }
});
