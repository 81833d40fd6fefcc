import test from 'ava';
import { failedPrecondition, unavailable } from '../errors.ts';
import { Lifecycle } from '../process/lifecycle.ts';
import { createLogger } from '../process/log.ts';
import { patiently } from './patience.ts';

const log = createLogger('test', 'silent');
const app = () => ({ server: 'a server', log, lifecycle: new Lifecycle(log, 1_000) });

test('what is not up yet is tried until it is', async (t) => {
  let tries = 0;
  const work = async () => {
    if (++tries < 3) throw unavailable('SERVICE_UNAVAILABLE', 'not yet');
    return 'up';
  };
  t.is(await patiently(work, app()), 'up');
  t.is(tries, 3);
});

test('a refusal is no reason to wait, and errors are known first', async (t) => {
  const work = () => Promise.reject(new Error('no such database'));
  const toKnown = (error: unknown) => failedPrecondition('LOCK_NOT_HELD', 'there is none', { cause: error });
  await t.throwsAsync(patiently(work, { ...app(), toKnown }), { code: 'LOCK_NOT_HELD' });
});

test('it ends at its deadline, and when the process stops', async (t) => {
  const away = () => Promise.reject(unavailable('SERVICE_UNAVAILABLE', 'never'));
  await t.throwsAsync(patiently(away, { ...app(), deadline: performance.now() - 1 }), { code: 'SERVICE_UNAVAILABLE' });
  const stopping = app();
  const waiting = patiently(away, stopping);
  await Promise.all([stopping.lifecycle.stop('tested'), t.throwsAsync(waiting, { code: 'SERVICE_UNAVAILABLE' })]);
});
