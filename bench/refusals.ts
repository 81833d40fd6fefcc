import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../local/stack.ts';
import { parked } from '../test/evidence.ts';
import { Load } from '../test/load.ts';
import { Probes } from '../test/probes.ts';
import { REFUSALS } from '../test/refusals.ts';
import { report } from './findings.ts';

const REFUSING_MS = 20_000;

/** `npm run bench refusals [WORDS]`: servers that run and refuse their work, one after the other, for 20 s under load. */
export async function run(stack: Stack): Promise<void> {
  const wanted = process.argv.slice(3).join(' ');
  for (const { server, what, begin } of REFUSALS.filter((one) => `${one.server} ${one.what}`.includes(wanted))) {
    const probes = new Probes(stack.ports);
    await probes.healthy();
    const load = await Load.prepare(8);
    load.start();
    await sleep(2_000);
    const before = load.ended;
    probes.watch();
    const end = await begin({ pids: stack.pids(), dataDir: stack.dataDir });
    try {
      await sleep(REFUSING_MS);
    } finally {
      await end();
    }
    await probes.stop();
    const during = load.ended - before;
    const recovery = await probes.healthy();
    await sleep(5_000);
    const findings = await load.finish();
    await load.close();
    const letters = await parked();
    const said = [...probes.sick].map(([name, ms]) => `${name} ${(ms / 1_000).toFixed(1)} s`).join(', ') || 'nothing';
    process.stdout.write(
      `${server} ${what} for 20 s: ${during} ended meanwhile; not healthy: ${said}; healthy ${(recovery / 1_000).toFixed(1)} s after; ${letters.length} parked\n`,
    );
    report(`${server} ${what}`, findings);
    if (letters.length > 0) throw new Error(`parked: ${letters.slice(0, 5).join('; ')}`);
    if (probes.sick.size === 0) throw new Error('no probe said that anything is wrong');
  }
}
