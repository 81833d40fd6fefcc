import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../local/stack.ts';
import { Load } from '../test/load.ts';
import { report } from './findings.ts';

const DOWN_MS = 20_000;

/** `npm run bench faults`: every server and every process, one after the other, killed during load and started again after 20 s. */
export async function run(stack: Stack): Promise<void> {
  for (const name of Object.keys(stack.pids())) {
    const load = await Load.prepare(8);
    load.start();
    await sleep(2_000);
    const before = load.ended;
    await stack.kill(name, 'SIGKILL');
    await sleep(DOWN_MS);
    await stack.start(name);
    const during = load.ended - before;
    await sleep(5_000);
    const findings = await load.finish();
    await load.close();
    report(`${name} was away for 20 s (${during} commands ended meanwhile)`, findings);
  }
}
