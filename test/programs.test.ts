import { spawnSync } from 'node:child_process';
import test from 'ava';

const main = (...args: string[]) =>
  spawnSync(process.execPath, [new URL('../main.ts', import.meta.url).pathname, ...args], { encoding: 'utf8' });

test('help and version are answers, on standard output', (t) => {
  const help = main('--help');
  t.like(help, { status: 0, stderr: '' });
  t.regex(
    help.stdout,
    /^usage: node_modules\/\.bin\/node main\.ts PROGRAM\[,PROGRAM…\] \[options\]\n\none or several.*\n +gateway/,
  );
  for (const task of ['redrive', 'retell', 'repair', 'erasures', 'give-up', 'callers', 'audit'])
    t.regex(help.stdout, new RegExp(`\n  ${task} +\\S+ \\S+`), 'what it does');
  t.like(main('worker', '--help'), { status: 0, stdout: help.stdout });
  t.regex(main('--version').stdout, /^musubi \d+\.\d+\.\d+\n$/);
});

const refusals: [args: string[], why: string][] = [
  [[], 'a program is missing'],
  [['nope'], 'there is no program nope'],
  [['toString'], 'there is no program toString'],
  [['worker', 'relay'], 'programs are separated by commas, without spaces; relay is too much'],
  [['member,nope'], 'there is no program nope'],
  [['member,'], 'there is no program '],
  [['member,repair'], 'repair is a process of its own: node main.ts repair'],
  [['member,role,member'], 'a program is named twice'],
  [['gateway,relay', '--queues', 'member'], '--queues is no option of gateway,relay'],
  [['gateway', '--queues', 'member'], '--queues is no option of gateway'],
  [['worker', '--list'], '--list is no option of worker'],
  [['audit', '--head='], '--head is empty; give N:HASH, or leave it out'],
  [['repair', '--job', ''], '--job is empty; give ID, or leave it out'],
  [['redrive', '--list', '--discard'], '--list and --discard exclude each other'],
  [['redrive', '--list', '--event', 'x'], '--list shows all that is parked: leave out --event'],
];
for (const [args, why] of refusals) {
  test(`main.ts ${args.join(' ')}: ${why}`, (t) => {
    const { status, stdout, stderr } = main(...args);
    t.deepEqual({ status, stdout, said: stderr.split('\n')[0] }, { status: 2, stdout: '', said: why });
  });
}
