import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { lock, tryLock } from './lock.ts';

const name = (title: string) => `test ${process.pid} ${title}`;

test('only one holder at a time', async (t) => {
  const first = await tryLock(name(t.title));
  t.truthy(first);
  t.is(await tryLock(name(t.title)), undefined);
  await first?.release();
  const second = await tryLock(name(t.title));
  t.truthy(second);
  await second?.release();
});

test('a lock whose holder was killed is free at once', async (t) => {
  const script = `
    import { tryLock } from ${JSON.stringify(new URL('lock.ts', import.meta.url).href)};
    await tryLock(${JSON.stringify(name(t.title))});
    setInterval(() => {}, 1000);
    console.log('held');`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  t.is(await tryLock(name(t.title)), undefined);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const mine = await tryLock(name(t.title));
  t.truthy(mine);
  await mine?.release();
});

test('who waits gets the lock once it is let go, and is told that it waits', async (t) => {
  const first = await lock(name(t.title));
  const waits = Promise.withResolvers<void>();
  let got = false;
  const second = lock(name(t.title), waits.resolve).then((held) => {
    got = true;
    return held;
  });
  await waits.promise;
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.false(got);
  await first.release();
  await (await second).release();
  t.true(got);
});
