import { context } from '@opentelemetry/api';
import test from 'ava';
import { pino } from 'pino';
import { MusubiError } from '../errors.ts';
import { lettingTestsIn, TESTS } from './callers.fixture.ts';
import { answer, type CallInfo } from './handling.ts';

/** Answers a call whose caller leaves when `leave` is called. */
function call(work: (info: CallInfo, leave: () => void) => Promise<unknown>) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  let leave = (): void => undefined;
  const incoming = {
    path: '/musubi.query.v1.QueryService/GetMember',
    token: TESTS.token('query'),
    span: undefined,
    deadline: new Date(Date.now() + 60_000),
    onCancelled: (listener: () => void) => {
      leave = listener;
    },
  };
  const answered = answer(incoming, { log, callers: lettingTestsIn('query'), home: context.active() }, (info) =>
    work(info, () => leave()),
  );
  return { answered, lines };
}

test('work that ends because its caller has left is no defect', async (t) => {
  const { answered, lines } = call(async ({ signal }, leave) => {
    leave();
    signal.throwIfAborted();
  });
  await t.throwsAsync(answered, { instanceOf: MusubiError, code: 'CLIENT_LEFT' });
  t.deepEqual(lines, []);
});

test('what is thrown and is no refusal is a defect, and is logged with its stack', async (t) => {
  const { answered, lines } = call(() => Promise.reject(new TypeError('undefined is not a password')));
  await t.throwsAsync(answered, { instanceOf: MusubiError, code: 'INTERNAL' });
  t.like(lines, { 0: { level: 50, method: 'musubi.query.v1.QueryService/GetMember' }, length: 1 });
  t.regex(JSON.stringify(lines), /TypeError: undefined is not a password/);
});
