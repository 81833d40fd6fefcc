import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { ports } from '../control.ts';
import { Load } from '../load.ts';
import { redisFull } from '../refusals.ts';
import { holdRegistrations } from './held-registrations.ts';

// What the tests of faults count with.

test('a load whose registrations take longer than they are waited for is prepared all the same', async (t) => {
  const goOn = await holdRegistrations();
  let load: Load | undefined;
  const preparing = Load.prepare(2, 1);
  preparing.catch(() => undefined);
  await sleep(3_000);
  await goOn();
  try {
    load = await preparing;
    load.start(4);
    await load.whenDone();
    const { accepted, completed, undone, ...bad } = await load.finish();
    t.is(undone, 0);
    t.true(accepted >= 4 && completed === accepted);
    t.deepEqual(Object.values(bad).flat(), []);
  } finally {
    await load?.close();
  }
});

test('a load that cannot be prepared leaves no socket open', async (t) => {
  const before = await sockets();
  // Job can issue none.
  const end = await redisFull();
  try {
    await t.throwsAsync(Load.prepare(1), { message: /^not registered: 503/ });
  } finally {
    await end();
  }
  // Longer than it takes to come back.
  await sleep(1_000);
  for (let i = 0; i < 100 && (await sockets()) > before; i++) await sleep(100);
  t.is(await sockets(), before);
});

/** How many are open. */
async function sockets(): Promise<number> {
  const { websocket } = await ports();
  const text = await (await fetch(`http://127.0.0.1:${websocket?.ops}/metrics`)).text();
  return Number(/^musubi_sockets_open (\d+)$/m.exec(text)?.[1]);
}
