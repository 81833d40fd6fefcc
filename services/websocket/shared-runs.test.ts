import test from 'ava';
import { SharedRuns } from './shared-runs.ts';

/** Work that ends when the test says so. */
function held() {
  const runs: PromiseWithResolvers<void>[] = [];
  const shared = new SharedRuns(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  return { runs, shared };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('whoever asks while it runs shares the next run, and none takes what began before', async (t) => {
  const { runs, shared } = held();
  const ended: number[] = [];
  const ask = (who: number): Promise<void> => shared.run().then(() => void ended.push(who));
  const all = [ask(0), ask(1), ask(2)];
  await settled();
  t.is(runs.length, 1);
  runs[0]?.resolve();
  await settled();
  t.deepEqual([ended, runs.length], [[0], 2]);
  all.push(ask(3));
  runs[1]?.resolve();
  await settled();
  t.deepEqual([ended, runs.length], [[0, 1, 2], 3]);
  runs[2]?.resolve();
  await Promise.all(all);
  const later = shared.run();
  t.is(runs.length, 4, 'where nothing runs, it begins at once');
  runs[3]?.resolve();
  await later;
});

test('a run that fails is no failure of the next one', async (t) => {
  const { runs, shared } = held();
  const [first, second] = [shared.run(), shared.run()];
  runs[0]?.reject(new Error('away'));
  await t.throwsAsync(first, { message: 'away' });
  await settled();
  runs[1]?.reject(new Error('still away'));
  await t.throwsAsync(second, { message: 'still away' });
  const third = shared.run();
  runs[2]?.resolve();
  await t.notThrowsAsync(third);
});
