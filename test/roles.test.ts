import { spawnSync } from 'node:child_process';
import test from 'ava';

const main = (...args: string[]) =>
  spawnSync(process.execPath, [new URL('../main.ts', import.meta.url).pathname, ...args], { encoding: 'utf8' });

test('help and version are answers, on standard output', (t) => {
  const help = main('--help');
  t.like(help, { status: 0, stderr: '' });
  t.regex(help.stdout, /^usage: node main\.ts ROLE \[options\]\n\nroles: .*gateway/);
  t.like(main('worker', '--help'), { status: 0, stdout: help.stdout });
  t.regex(main('--version').stdout, /^musubi \d+\.\d+\.\d+\n$/);
});

const refusals: [args: string[], why: string][] = [
  [[], 'a role is missing'],
  [['nope'], 'there is no role nope'],
  [['toString'], 'there is no role toString'],
  [['worker', 'relay'], 'one process is one role; relay is too much'],
  [['gateway', '--queues', 'member'], '--queues is no option of gateway'],
  [['worker', '--list'], '--list is no option of worker'],
  [['redrive', '--list', '--discard'], '--list and --discard exclude each other'],
  [['redrive', '--list', '--event', 'x'], '--list shows all that is parked: leave out --event'],
];
for (const [args, why] of refusals) {
  test(`main.ts ${args.join(' ')}: ${why}`, (t) => {
    const { status, stdout, stderr } = main(...args);
    t.deepEqual({ status, stdout, said: stderr.split('\n')[0] }, { status: 2, stdout: '', said: why });
  });
}
