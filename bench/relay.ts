import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../local/stack.ts';
import { Load } from '../test/load.ts';
import { report } from './findings.ts';

const COMMANDS = 2_000;
const KILLS = 20;

/** `npm run bench relay`: kill -9 of the outbox relay 20 times during 2,000 commands. */
export async function run(stack: Stack): Promise<void> {
  const load = await Load.prepare(20);
  load.start(COMMANDS);
  for (let kill = 1; kill <= KILLS; kill++) {
    // Spread over the commands, wherever the relay happens to be at that moment.
    while (load.ended < (COMMANDS * kill) / (KILLS + 1)) await sleep(20);
    await stack.kill('relay', 'SIGKILL');
    await stack.start('relay');
    process.stdout.write(`kill ${kill} after ${load.ended} commands\n`);
  }
  await load.whenDone();
  const findings = await load.finish();
  await load.close();
  report(`relay killed ${KILLS} times`, findings);
}
