import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { identify, isAlive, PidsFile, stopLeftovers } from './pids.ts';

const folder = mkdtempSync(join(tmpdir(), 'musubi-pids-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const fileOf = (t: ExecutionContext) => join(folder, `${t.title.replaceAll(' ', '-')}.json`);

/** A process that says when it runs; a stubborn one does not heed SIGTERM. */
async function sleeper(t: ExecutionContext, stubborn = false): Promise<ChildProcess & { pid: number }> {
  const heed = stubborn ? "process.on('SIGTERM', () => {});" : '';
  const child = spawn(process.execPath, ['-e', `${heed} setInterval(() => {}, 1000); console.log('up')`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child as ChildProcess & { pid: number };
}

test('a process is known by its start time, not by its number alone', async (t) => {
  const child = await sleeper(t);
  const identity = identify(child.pid);
  if (!identity) return t.fail('a running process was not found');
  t.true(isAlive(identity));
  t.false(isAlive({ ...identity, startTime: '1' }));
  t.false(isAlive({ ...identity, bootId: 'another boot' }));
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.false(isAlive(identity));
});

test('what a dead launcher left behind is stopped, the stubborn by force', async (t) => {
  const pids = new PidsFile(fileOf(t));
  const willing = await sleeper(t);
  const stubborn = await sleeper(t, true);
  pids.add('willing', willing.pid, 'SIGTERM', 5_000);
  pids.add('stubborn', stubborn.pid, 'SIGTERM', 300);
  const ended = [once(willing, 'exit'), once(stubborn, 'exit')];
  t.deepEqual((await stopLeftovers(fileOf(t))).sort(), ['stubborn', 'willing']);
  const [first, second] = await Promise.all(ended);
  t.deepEqual([first?.[1], second?.[1]], ['SIGTERM', 'SIGKILL']);
});

test('a process that only has the number of a dead one is left alone', async (t) => {
  const pids = new PidsFile(fileOf(t));
  const bystander = await sleeper(t);
  pids.add('server', bystander.pid, 'SIGTERM', 100);
  const recorded = JSON.parse(readFileSync(fileOf(t), 'utf8'));
  recorded.server.startTime = '1';
  writeFileSync(fileOf(t), JSON.stringify(recorded));
  t.deepEqual(await stopLeftovers(fileOf(t)), []);
  t.truthy(identify(bystander.pid));
});

test('a process that ended in order is no longer written down', async (t) => {
  const pids = new PidsFile(fileOf(t));
  const child = await sleeper(t);
  pids.add('server', child.pid, 'SIGTERM', 100);
  pids.remove('server');
  t.deepEqual(await stopLeftovers(fileOf(t)), []);
  t.truthy(identify(child.pid));
});

test('a file that a power loss emptied is no obstacle', async (t) => {
  writeFileSync(fileOf(t), '');
  t.deepEqual(await stopLeftovers(fileOf(t)), []);
});
