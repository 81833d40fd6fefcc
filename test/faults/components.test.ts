import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { triedCases } from '#platform/cases.fixture.ts';
import { kill, layout, processes, start } from '../control.ts';
import { Load } from '../load.ts';

// Short stops of what a command needs; `npm run bench faults` does every component for 20 s.
const COMPONENTS = [...processes().map(({ name }) => name), 'postgres', 'mongodb', 'redis', 'kafka', 'temporal'];
const CASES = Object.fromEntries(COMPONENTS.map((name) => [name, name]));
const PROCESSES = { few: ['app', 'worker'], each: ['gateway', 'worker', 'relay', 'auth'] };

for (const [name] of triedCases(CASES, [...PROCESSES[layout()], 'postgres', 'kafka', 'temporal'])) {
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
      const back = load.ended;
      // Not only what went through before: commands go on afterwards.
      for (let i = 0; i < 1_200 && load.ended < back + 8; i++) await sleep(100);
      t.true(load.ended >= back + 8, `${load.ended - back} commands ended after ${name} was back`);
      const { accepted, completed, undone, ...bad } = await load.finish();
      t.log(`${accepted} commands, ${completed} completed, ${undone} undone`);
      t.true(completed > 0);
      t.deepEqual(bad, { unfinished: [], wrong: [], lostEvents: [], reorderedEvents: [], untold: [], toldTwice: [] });
    } finally {
      await load.close();
    }
  });
}
