import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ServiceError, status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import Koa from 'koa';
import { aborted, type MusubiError, resourceExhausted, unauthenticated, unavailable } from '#platform/errors.ts';
import { fromServiceError } from '#platform/grpc/status.ts';
import { JobFailedError } from '../problem.ts';
import { problems } from './problems.ts';

/** The answers of a server that throws these. */
async function answersTo(t: ExecutionContext, errors: MusubiError[]): Promise<Response[]> {
  const app = new Koa();
  app.use(problems());
  app.use((ctx) => {
    throw errors[Number(ctx.path.slice(1))];
  });
  const server = createServer((request, response) => void app.callback()(request, response)).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return await Promise.all(errors.map((_, index) => fetch(`http://127.0.0.1:${port}/${index}`)));
}

/** A job that has ended with it, and will not end otherwise. */
const ended = (code: string, grpcStatus: string) =>
  new JobFailedError('job-1', { code, message: 'away', errors: [], grpcStatus });

test('Retry-After is what the error says, or a second where the status asks for one', async (t) => {
  const cases: [MusubiError, number, string | null][] = [
    [resourceExhausted('TOO_BUSY', 'too many', { retryAfterSeconds: 90 }), 429, '90'],
    [resourceExhausted('TOO_BUSY', 'too many'), 429, '1'],
    [unavailable('SERVICE_UNAVAILABLE', 'away', { retryAfterSeconds: 7 }), 503, '7'],
    [unavailable('SERVICE_UNAVAILABLE', 'away'), 503, '1'],
    [aborted('MEMBER_BUSY', 'busy', { retryAfterSeconds: 2 }), 409, '2'],
    [aborted('MEMBER_BUSY', 'busy'), 409, null],
    [ended('SERVICE_UNAVAILABLE', 'UNAVAILABLE'), 503, null],
    [ended('TOO_BUSY', 'RESOURCE_EXHAUSTED'), 429, null],
  ];
  const answers = await answersTo(
    t,
    cases.map(([error]) => error),
  );
  for (const [index, [error, expected, retryAfter]] of cases.entries()) {
    const answer = answers[index];
    t.is(answer?.status, expected);
    t.is(answer?.headers.get('retry-after'), retryAfter, error.message);
    await answer?.text();
  }
});

test('the challenge of a 401 says what the body says, and nothing of what is meant for operators', async (t) => {
  const bare = { code: status.UNAUTHENTICATED, details: 'upstream 10.2.3.4:9603 wants mTLS', metadata: undefined };
  const errors = [
    fromServiceError(bare as unknown as ServiceError),
    unauthenticated('TOKEN_EXPIRED', 'the token is too old'),
    unauthenticated('TOKEN_MISSING', 'no token'),
  ];
  const [unknown, expired, missing] = await answersTo(t, errors);
  for (const answer of [unknown, expired]) {
    const body = (await answer?.json()) as { detail: string } | undefined;
    const described = `Bearer realm="musubi", error="invalid_token", error_description="${body?.detail}"`;
    t.is(answer?.headers.get('www-authenticate'), described);
    t.notRegex(described, /10\.2\.3\.4|mTLS/);
  }
  t.is(missing?.headers.get('www-authenticate'), 'Bearer realm="musubi"');
});
