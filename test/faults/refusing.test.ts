import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { triedCases } from '#platform/cases.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { PROGRAMS } from '../../local/programs.ts';
import { pids, ports } from '../control.ts';
import { Load } from '../load.ts';
import { REFUSALS } from '../refusals.ts';

interface Health {
  unready: Record<string, string>;
  degraded: Record<string, string>;
  attention: Record<string, string>;
}

async function health(program: string): Promise<Health> {
  const port = (await ports())[program]?.ops;
  return (await (await fetch(`http://127.0.0.1:${port}/healthz/${program}`)).json()) as Health;
}

// What each must be told by; `npm run bench refusals` has more of them, and longer.
const CASES = Object.fromEntries(
  REFUSALS.filter(({ told }) => told).map((refusal) => [`${refusal.server} ${refusal.what}`, refusal]),
);
const BY_DEFAULT = ['postgres refuses the password', 'redis is full', 'kafka hangs'];

for (const [, { server, what, begin, told = {} }] of triedCases(CASES, BY_DEFAULT)) {
  test(`${server} ${what} during load: probes say so, nothing is parked, lost, doubled or out of order`, async (t) => {
    const load = await Load.prepare(4);
    try {
      load.start();
      await sleep(500);
      const end = await begin({ pids: await pids(), dataDir: process.env.MUSUBI_TEST_DATA ?? '' });
      const began = Date.now();
      try {
        for (const [program, probe] of Object.entries(told)) {
          const says = async (): Promise<boolean> => {
            const { unready, degraded } = await health(program);
            return Object.keys({ ...unready, ...degraded }).some((each) => probe.test(each));
          };
          await until(says, `${program} says so`, 60_000);
        }
        t.log(`told after ${Date.now() - began} ms`);
        // Long enough for more than the few tries after which events were once given up.
        await sleep(Math.max(0, began + 6_000 - Date.now()));
      } finally {
        await end();
      }
      const back = load.ended;
      for (let i = 0; i < 1_200 && load.ended < back + 8; i++) await sleep(100);
      t.true(load.ended >= back + 8, `${load.ended - back} commands ended after it served again`);
      const { accepted, completed, undone, ...bad } = await load.finish();
      t.log(`${accepted} commands, ${completed} completed, ${undone} undone`);
      t.true(completed > 0);
      t.deepEqual(bad, { unfinished: [], wrong: [], lostEvents: [], reorderedEvents: [], untold: [], toldTwice: [] });
      for (const { name } of PROGRAMS) {
        const well = async (): Promise<boolean> => {
          const { unready, degraded, attention } = await health(name);
          // The reconciler is paused, which is told (`pause-reconciler.ts`).
          const { drift: _, ...findings } = attention;
          return Object.keys({ ...unready, ...degraded, ...findings }).length === 0;
        };
        await until(well, `${name} is well again, with nothing parked`, 60_000);
      }
    } finally {
      await load.close();
    }
  });
}
