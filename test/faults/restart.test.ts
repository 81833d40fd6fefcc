import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { triedCases } from '#platform/cases.fixture.ts';
import { descendants } from '../../bench/measure.ts';
import { LAYOUTS } from '../../local/layouts.ts';
import { type Identity, identify, isAlive } from '../../local/pids.ts';
import { checkout } from '../../local/places.ts';
import { PROGRAMS } from '../../local/programs.ts';
import { SERVICES } from '../../services/catalogue.ts';
import { login, register } from '../client.ts';
import { copyOfCheckout, FOLDER, type NpmStart, npmStart, strangersEnvironment } from '../npm-start.ts';

interface RunFile {
  gateway: string;
  admin: { loginId: string; password: string };
  grpc: Record<string, string>;
  ops: Record<string, string>;
  pids: Record<string, number>;
}

interface Running extends NpmStart {
  run: RunFile;
  /** npm and everything that it started; their numbers alone may soon be others'. */
  processes: Identity[];
}

/** `npm start` on free ports, for somebody whose terminal speaks no UTF-8. */
async function start(folder: string, layout: string): Promise<Running> {
  const started = await npmStart(folder, { ...strangersEnvironment(), LC_ALL: 'POSIX' }, [], ['--processes', layout]);
  const file = join(folder, '.musubi', 'run.json');
  if ((statSync(file).mode & 0o077) !== 0) throw new Error('run.json can be read by others');
  const run = JSON.parse(readFileSync(file, 'utf8')) as RunFile;
  const npm = started.child.pid ?? 0;
  const processes = [npm, ...descendants(npm)].flatMap((pid) => identify(pid) ?? []);
  return { ...started, run, processes };
}

function kill(processes: Identity[]): void {
  for (const one of processes) if (isAlive(one)) process.kill(one.pid, 'SIGKILL');
}

// Among the faults: two systems on two cores leave too little for tests that have seconds.
for (const [layout] of triedCases(LAYOUTS, ['few'])) {
  test(`after kill -9 of all but some, in a folder of any name, the next start clears the rest and goes on with the data, beside another instance, and stops in order: processes ${layout}`, async (t) => {
    mkdirSync(join(checkout, '.musubi'), { recursive: true });
    const place = mkdtempSync(join(checkout, '.musubi', 'restart-'));
    const started: Running[] = [];
    try {
      const folder = copyOfCheckout(join(place, FOLDER));
      const first = await start(folder, layout);
      started.push(first);
      t.true(first.output().includes(first.run.admin.password), 'the first start tells the password');
      const as = await login(first.run.admin.loginId, first.run.admin.password, first.run.gateway);
      const member = await register(as, 'survivor');
      for (const [program, url] of Object.entries(first.run.ops))
        for (const path of ['livez', 'readyz', 'healthz', 'metrics'])
          t.is((await fetch(`${url}/${path}`)).status, 200, `${program} ${path}`);
      t.deepEqual(Object.keys(first.run.grpc).toSorted(), Object.keys(SERVICES).toSorted());
      t.deepEqual(Object.keys(first.run.ops).toSorted(), PROGRAMS.map(({ name }) => name).toSorted());
      const gone = once(first.child, 'exit');
      t.true(first.processes.length > new Set(Object.values(first.run.pids)).size);
      const left = ['redis', 's3', 'worker'].map((name) => first.run.pids[name]);
      kill(first.processes.filter(({ pid }) => !left.includes(pid)));
      await gone;
      // What is killed takes its moment to go.
      const alive = () => first.processes.filter(isAlive).map(({ pid }) => pid);
      for (let i = 0; i < 300 && alive().length > left.length; i++) await sleep(100);
      t.deepEqual(alive().toSorted(), left.toSorted());

      const second = await start(folder, layout);
      started.push(second);
      t.deepEqual(first.processes.filter(isAlive), [], 'what was left running is cleared');
      t.false(second.output().includes(second.run.admin.password), 'a later start does not');
      const again = await login(second.run.admin.loginId, second.run.admin.password, second.run.gateway);
      t.is((await again.get(`/v1/members/${member.memberId}`)).body.loginId, member.loginId);
      t.is((await register(again, 'newcomer')).memberId.length, 36);
      await login(member.loginId, member.password, second.run.gateway);

      const ended = once(second.child, 'exit');
      second.child.kill('SIGINT');
      const [code] = await ended;
      t.is(code, 0);
      const said = second.output().slice(second.output().indexOf('stopping …'));
      t.regex(said, /Musubi has stopped\n$/);
      t.notRegex(said, /SIGKILL|ended|killed/, 'an ordered stop tells of no other');
      t.false(existsSync(join(folder, '.musubi', 'run.json')), 'the file goes when the system stops');
      t.deepEqual([...first.processes, ...second.processes].filter(isAlive), [], 'nothing is left running');
      t.deepEqual(readdirSync(place), [FOLDER], 'nothing was written elsewhere');
      t.true(existsSync(join(folder, '.musubi', 'data', 'kafka', 'log', 'meta.properties')));
    } finally {
      for (const { processes } of started) kill(processes);
      rmSync(place, { recursive: true, force: true });
    }
  });
}
