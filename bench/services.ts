import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkout } from '../local/places.ts';
import { stopRequest } from '../local/stop-request.ts';
import { addService, generate } from '../test/new-service.ts';
import { copyOfCheckout, npmStart, strangersEnvironment } from '../test/npm-start.ts';
import { memory } from './idle.ts';
import { cpuMs, descendants, table } from './measure.ts';

const MORE = ['notice', 'survey'];
/** In turns, so that what else the machine does meets both; the least of each number is told, which it has met least. */
const ROUNDS = 2;
/** Longer than pools keep connections that nobody uses (a minute): what the start needed is none of an idle system's. */
const SETTLE_MS = 75_000;
const SECONDS = 30;

interface Measured {
  start: number;
  cpu: number;
  /** Memory of the process that hosts the services, of PostgreSQL, where they keep a database each, and of all. */
  app: number;
  postgres: number;
  pss: number;
}

/**
 * `npm run bench services`: what two more services cost, that are empty but whole: the second start of `npm start`, and the
 * memory and CPU of everything while nobody asks for anything, of this checkout as it is and of a copy with the two.
 */
export async function run(): Promise<void> {
  mkdirSync(join(checkout, '.musubi'), { recursive: true });
  const place = mkdtempSync(join(checkout, '.musubi', 'bench-services-'));
  const remove = (): void => {
    for (const pid of descendants(process.pid)) process.kill(pid, 'SIGKILL');
    rmSync(place, { recursive: true, force: true });
  };
  void stopRequest(() => process.exit(130))
    .asked.then(remove)
    .then(() => process.exit(130));
  try {
    const folders = { 'as it is': copyOfCheckout(join(place, 'as-it-is')), 'two more': copyOfCheckout(join(place, 'two-more')) };
    const touched = MORE.map((name) => addService(folders['two more'], name));
    process.stdout.write(`an empty service, beside its folder: ${touched[0]?.length} files (${touched[0]?.join(', ')})\n`);
    generate(folders['two more']);
    const found: [string, Measured][] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [what, folder] of Object.entries(folders)) {
        const measured = await startAndRest(folder, round === 0);
        // The first start makes databases and topics.
        if (round > 0) found.push([what, measured]);
      }
    }
    const rows = Object.keys(folders).map((what): [string, number, number, number, number, number] => {
      const of = (key: keyof Measured): number => Math.min(...found.filter(([name]) => name === what).map(([, it]) => it[key]));
      return [what, of('start'), of('app'), of('postgres'), of('pss'), of('cpu')];
    });
    process.stdout.write(
      `${table([`the least of ${ROUNDS}`, 'second start, s', 'PSS MB of app', 'of PostgreSQL', 'of all', '% of a core'], rows)}\n`,
    );
  } finally {
    remove();
  }
}

async function startAndRest(folder: string, first: boolean): Promise<Measured> {
  const begun = performance.now();
  const { child } = await npmStart(folder, strangersEnvironment());
  const start = (performance.now() - begun) / 1_000;
  const pid = child.pid ?? Number.NaN;
  await sleep(first ? 5_000 : SETTLE_MS);
  const before = cpuMs(pid);
  if (!first) await sleep(SECONDS * 1_000);
  const { pids } = JSON.parse(readFileSync(join(folder, '.musubi', 'run.json'), 'utf8')) as {
    pids: Record<'member' | 'postgres', number>;
  };
  const cpu = (cpuMs(pid) - before) / (SECONDS * 10);
  const [app, postgres, pss] = [pids.member, pids.postgres, pid].map((each) => memory(each, 'Pss')) as [number, number, number];
  const measured = { start, cpu, app, postgres, pss };
  const gone = once(child, 'exit');
  process.kill(-pid, 'SIGINT');
  await gone;
  return measured;
}
