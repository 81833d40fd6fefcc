import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { kill, start } from '../control.ts';
import { Load } from '../load.ts';

// Short stops of what a command needs; `npm run bench faults` does every component for 20 s.
const COMPONENTS = ['relay', 'worker', 'gateway', 'job', 'query', 'postgres', 'mongodb', 'redis', 'kafka', 'temporal'];

for (const name of COMPONENTS) {
  test(`${name} dies during load and comes back: every accepted command ends, nothing is lost, doubled or out of order`, async (t) => {
    const load = await Load.prepare(4);
    try {
      load.start();
      await sleep(500);
      await kill(name);
      try {
        await sleep(3_000);
      } finally {
        await start(name);
      }
      await sleep(1_000);
      const { accepted, completed, undone, ...bad } = await load.finish();
      t.log(`${accepted} commands, ${completed} completed, ${undone} undone`);
      t.true(completed > 0);
      t.deepEqual(bad, { unfinished: [], wrong: [], lostEvents: [], reorderedEvents: [], untold: [], toldTwice: [] });
    } finally {
      await load.close();
    }
  });
}
