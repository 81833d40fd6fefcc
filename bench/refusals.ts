import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '#platform/errors.ts';
import type { Stack } from '../local/stack.ts';
import { parked } from '../test/evidence.ts';
import { Load } from '../test/load.ts';
import { Probes } from '../test/probes.ts';
import { REFUSALS, type Refusal } from '../test/refusals.ts';
import { report } from './findings.ts';

const REFUSING_MS = 20_000;

/** `npm run bench refusals [WORDS]`: servers that run and refuse their work, one after the other, for 20 s under load. */
export async function run(stack: Stack): Promise<void> {
  const wanted = process.argv.slice(3).join(' ');
  const failed: string[] = [];
  for (const refusal of REFUSALS) {
    const title = `${refusal.server} ${refusal.what}`;
    if (!title.includes(wanted)) continue;
    try {
      await refuse(stack, refusal, title);
    } catch (error) {
      failed.push(`${title}: ${reasonOf(error)}`);
    }
  }
  if (failed.length > 0) throw new Error(failed.join('\n'));
}

async function refuse(stack: Stack, { begin }: Refusal, title: string): Promise<void> {
  const probes = new Probes(stack.ports);
  await probes.healthy();
  const letters = (await parked()).length;
  const load = await Load.prepare(8);
  try {
    load.start();
    await sleep(2_000);
    const before = load.ended;
    probes.watch();
    const end = await begin({ pids: stack.pids(), dataDir: stack.dataDir });
    try {
      await sleep(REFUSING_MS);
    } finally {
      await probes.stop();
      await end();
    }
    const during = load.ended - before;
    const recovery = await probes.healthy();
    await sleep(5_000);
    const findings = await load.finish();
    const more = (await parked()).slice(letters);
    const said = [...probes.sick].map(([name, ms]) => `${name} ${(ms / 1_000).toFixed(1)} s`).join(', ') || 'nothing';
    process.stdout.write(
      `${title} for 20 s: ${during} ended meanwhile; not healthy: ${said}; healthy again after ${(recovery / 1_000).toFixed(1)} s; ${more.length} parked\n`,
    );
    report(title, findings);
    if (more.length > 0) throw new Error(`parked ${more.slice(0, 5).join('; ')}`);
    if (probes.sick.size === 0) throw new Error('no probe said that anything is wrong');
  } finally {
    await load.close();
  }
}
