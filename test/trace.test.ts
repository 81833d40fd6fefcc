import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { address, admin, Client, register, unique } from './client.ts';
import { type CollectedSpan, trace } from './collector.ts';
import { historyText, passwordReferences } from './evidence.ts';
import { Socket } from './socket.ts';

/** Every hop of a command, by the service that makes the span and what its name holds. */
const HOPS: [string, RegExp][] = [
  ['musubi-gateway', /POST \/v1\/members/],
  ['musubi-gateway', /AuthService\/Authorize/],
  ['musubi-auth', /AuthService\/Authorize/],
  ['musubi-gateway', /JobService\/IssueJob/],
  ['musubi-gateway', /StartWorkflow/],
  ['', /RunWorkflow/],
  ['', /RunActivity/],
  ['musubi-member', /MemberService\/CreateMember/],
  ['musubi-member', /postgres transaction/],
  ['musubi-auth', /AuthService\/BindLogin/],
  ['musubi-auth', /mongodb transaction/],
  ['musubi-role', /RoleService\/AssignRoles/],
  ['musubi-relay', /member\.events/],
  // Events of others that came with one leave it without a span.
  ['musubi-query', /process (?:member|member-roles|membership)\.events/],
  ['musubi-job', /JobService\/FinishJob/],
  ['musubi-relay', /job\.events/],
  ['musubi-websocket', /job\.events/],
  ['musubi-websocket', /push to socket/],
];

/** The hops of a session's life. */
const SESSION_HOPS: [string, RegExp][] = [
  ['musubi-gateway', /POST \/v1\/auth\/login/],
  ['musubi-auth', /AuthService\/Login/],
  ['musubi-gateway', /POST \/v1\/auth\/refresh/],
  ['musubi-auth', /AuthService\/Refresh/],
  ['musubi-gateway', /POST \/v1\/auth\/logout/],
  ['musubi-auth', /AuthService\/Logout/],
];

/** The hops that the spans do not show. */
const missing = (spans: CollectedSpan[], hops: [string, RegExp][]): string[] =>
  hops
    .filter(([service, name]) => !spans.some((span) => span.service.includes(service) && name.test(span.name)))
    .map(([service, name]) => `${service} ${name.source}`);

/** Makes a trace of its own, which is recorded. */
const newTrace = () => {
  const traceId = randomBytes(16).toString('hex');
  return { traceId, headers: { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01` } };
};

test('a command is one trace from the door to the screen', async (t) => {
  const as = await admin();
  const socket = await Socket.open(as.token);
  const { traceId, headers } = newTrace();
  const loginId = unique('traced');
  const password = unique('secret');
  const accepted = await as.post(
    '/v1/members',
    { loginId, password, displayName: 'Traced', email: `${loginId}@example.com` },
    headers,
  );
  t.is(accepted.status, 202);
  await socket.end(accepted.body.jobId);
  await socket.close();

  // One tree: every span but the outermost hangs on another one of this trace.
  const loose = (spans: CollectedSpan[]): string[] => {
    const ids = new Set(spans.map(({ spanId }) => spanId));
    return spans.filter(({ parentSpanId }) => !ids.has(parentSpanId)).map(({ service, name }) => `${service} ${name}`);
  };
  // Each process sends its spans when it gets to it: a child may come long before its parent.
  let spans: CollectedSpan[] = [];
  for (let i = 0; i < 300 && (missing(spans, HOPS).length > 0 || loose(spans).length > 1); i++) {
    await sleep(200);
    spans = await trace(traceId);
  }
  t.deepEqual(missing(spans, HOPS), [], `there are: ${spans.map((span) => `${span.service} ${span.name}`).join(', ')}`);
  t.is(loose(spans).length, 1, loose(spans).join(', '));
  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const references = passwordReferences(await historyText(new TemporalClient({ connection }), accepted.body.jobId));
  await connection.close();
  t.is(references.length, 1);
  t.deepEqual(leaks(spans, [password, as.token ?? '', ...references]), []);
});

test('no password or token of a session is in its trace', async (t) => {
  const { loginId, password } = await register(await admin());
  const { traceId, headers } = newTrace();
  const client = new Client();
  const { body: first } = await client.post('/v1/auth/login', { loginId, password }, headers);
  const { body: second } = await client.post('/v1/auth/refresh', { refreshToken: first.refreshToken }, headers);
  // A refused one too: what goes wrong has more words.
  await client.post('/v1/auth/refresh', { refreshToken: `${second.refreshToken}x` }, headers);
  t.is((await new Client(second.accessToken).post('/v1/auth/logout', undefined, headers)).status, 204);
  let spans: CollectedSpan[] = [];
  for (let i = 0; i < 300 && missing(spans, SESSION_HOPS).length > 0; i++) {
    await sleep(200);
    spans = await trace(traceId);
  }
  t.deepEqual(missing(spans, SESSION_HOPS), [], `there are: ${spans.map((span) => `${span.service} ${span.name}`).join(', ')}`);
  const { accessToken, refreshToken } = first;
  t.deepEqual(leaks(spans, [password, accessToken, refreshToken, second.accessToken, second.refreshToken]), []);
});

/** The spans that hold one of the secrets. */
function leaks(spans: CollectedSpan[], secrets: string[]): string[] {
  // An empty one is none: it would be found everywhere.
  if (secrets.some((secret) => !secret)) throw new Error('a secret is missing');
  const holds = ({ attributes, name }: CollectedSpan): boolean =>
    secrets.some((secret) => `${attributes}${name}`.includes(secret));
  return spans.filter(holds).map(({ service, name }) => `${service} ${name}`);
}
