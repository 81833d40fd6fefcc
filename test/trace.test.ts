import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { admin, unique } from './client.ts';
import { type CollectedSpan, trace } from './collector.ts';
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
  ['musubi-query', /member\.events/],
  ['musubi-job', /JobService\/FinishJob/],
  ['musubi-relay', /job\.events/],
  ['musubi-websocket', /job\.events/],
  ['musubi-websocket', /push to socket/],
];

test('a command is one trace from the door to the screen', async (t) => {
  const as = await admin();
  const socket = await Socket.open(as.token);
  const traceId = randomBytes(16).toString('hex');
  const loginId = unique('traced');
  const password = unique('secret');
  const accepted = await as.post(
    '/v1/members',
    { loginId, password, displayName: 'Traced', email: `${loginId}@example.com` },
    { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01` },
  );
  t.is(accepted.status, 202);
  await socket.end(accepted.body.jobId);
  await socket.close();

  const missing = (spans: CollectedSpan[]): string[] =>
    HOPS.filter(([service, name]) => !spans.some((span) => span.service.includes(service) && name.test(span.name))).map(
      ([service, name]) => `${service} ${name.source}`,
    );
  // One tree: every span but the outermost hangs on another one of this trace.
  const loose = (spans: CollectedSpan[]): string[] => {
    const ids = new Set(spans.map(({ spanId }) => spanId));
    return spans.filter(({ parentSpanId }) => !ids.has(parentSpanId)).map(({ service, name }) => `${service} ${name}`);
  };
  // Each process sends its spans when it gets to it: a child may come long before its parent.
  let spans: CollectedSpan[] = [];
  for (let i = 0; i < 300 && (missing(spans).length > 0 || loose(spans).length > 1); i++) {
    await sleep(200);
    spans = await trace(traceId);
  }
  t.deepEqual(missing(spans), [], `there are: ${spans.map((span) => `${span.service} ${span.name}`).join(', ')}`);
  t.is(loose(spans).length, 1, loose(spans).join(', '));
  t.false(spans.some(({ attributes, name }) => `${attributes}${name}`.includes(password)));
});
