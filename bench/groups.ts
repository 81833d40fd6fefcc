import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Caller, keyVariable } from '#platform/grpc/callers.ts';
import { connectPeers, peerShape } from '#platform/grpc/peers.ts';
import { loadConfig } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import type { Stack } from '../local/stack.ts';
import { calledBy } from '../services/may-call.ts';
import { Organisation } from './groups/organisation.ts';
import { CHECKS_AT_ONCE, type Compared, DEPTHS, MOVE, TREE, titleOf, type Work, worksOf } from './groups/works.ts';
import { merged, quantile, type Series, series, settled, table, throughput } from './measure.ts';

/**
 * `npm run bench -- groups [--groups N] [--members N] [--memberships N] [--seed N]`: an organisation that the product's own commands make,
 * with a tenth of the groups and with all of them: what a permission check costs at which depth, queries, and the move of a subtree.
 *
 * @throws when an aim is missed
 */
export async function run(
  stack: Stack,
  options: { groups?: string; members?: string; memberships?: string; seed?: string },
): Promise<void> {
  const groups = Number(options.groups ?? 10_000);
  const [members, memberships] = [Number(options.members ?? 2_000), Number(options.memberships ?? 50)];
  const few = Math.ceil(groups / 10);
  const rest = memberships - Math.ceil(memberships / 10);
  const organisation = await Organisation.begin(stack.admin, groups, Number(options.seed ?? 1));
  const lifecycle = new Lifecycle(createLogger('bench', 'warn'), 5_000);
  const contracts = { auth: calledBy('gateway').auth };
  const caller = new Caller('gateway', process.env[keyVariable('gateway')] ?? '');
  const { auth } = connectPeers(contracts, { config: loadConfig(peerShape(contracts), process.env), caller, lifecycle });
  try {
    await organisation.register(members);
    await organisation.makeGround();
    await organisation.leadChain(organisation.members.slice(0, CHECKS_AT_ONCE));
    const measure = async (): Promise<Series[]> => {
      const works = await worksOf(organisation, auth);
      await settled(stack.pids());
      return await measureAll(works, stack.pids());
    };
    await organisation.growBranch(few - 1);
    await organisation.fill(organisation.branch, memberships);
    const small = await measure();
    await organisation.growTo(groups);
    await organisation.fill(organisation.others, rest);
    const large = groups > few ? await measure() : small;
    const report = render({ organisation, groups, few, members, memberships, rest, small, large });
    process.stdout.write(`\n${report}\n`);
    mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
    writeFileSync(join(import.meta.dirname, 'results', 'groups.md'), report);
    const measured = new Map([
      [few, small],
      [groups, large],
    ]);
    const missed = [...measured].flatMap(([count, all]) => missedBy(all).map((one) => `with ${count} groups, ${one}`));
    if (missed.length > 0) throw new Error(`aims missed:\n${missed.join('\n')}`);
  } finally {
    organisation.close();
    await lifecycle.stop('done');
  }
}

async function measureAll(all: readonly Compared[], own: Record<string, number>): Promise<Series[]> {
  const pids = { Auth: own.auth ?? own.app ?? 0, MongoDB: own.mongodb ?? 0 };
  const measured: Series[] = [];
  for (const { rounds, before, works } of all) {
    for (const { one } of works) for (let i = 0; i < before; i++) await one(i);
    const parts = new Map<Work, Series[]>(works.map((work) => [work, []]));
    for (let round = 0; round < rounds; round++)
      for (const [{ title, count, atOnce, one }, done] of parts)
        done.push(await series(title, { count, concurrency: atOnce, pids }, async (i) => void (await one(i))));
    for (const done of [...parts.values()].map(merged)) {
      measured.push(done);
      process.stdout.write(`${done.name}: p50 ${quantile(done, 0.5).toFixed(1)} ms, ${throughput(done).toFixed(0)}/s\n`);
    }
  }
  return measured;
}

interface Measured {
  organisation: Organisation;
  groups: number;
  few: number;
  members: number;
  memberships: number;
  rest: number;
  small: readonly Series[];
  large: readonly Series[];
}

function render({ organisation, groups, few, members, memberships, rest, small, large }: Measured): string {
  const perOne = (done: Series): string[] => [
    ...[0.5, 0.99].map((q) => quantile(done, q).toFixed(1)),
    throughput(done).toFixed(0),
    ...['Auth', 'MongoDB'].map((name) => cpuOf(done, name).toFixed(2)),
  ];
  const columns = (at: number): string[] =>
    ['p50 ms', 'p99 ms', '/s', 'CPU ms of Auth', 'of MongoDB'].map((one) => `${one} (${at})`);
  return [
    `# Groups\n\n\`npm run bench -- groups --groups ${groups} --members ${members} --memberships ${memberships}\` on ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}, each program in a process of its own. The same with ${few} groups and with ${groups}, besides a chain of 99 that is as deep as groups can be; a member is in ${memberships} of the former, and, as these stay, in ${memberships + rest} of the latter. The branch has ${organisation.branch.length} groups. Those who ask for permission lead the chain from its top; CPU is that of one. What stands above in its kind is the baseline: measured by turns with it.`,
    table(
      ['made by commands', 'how many', 's', '/s'],
      organisation.made.map(({ what, count, seconds }) => [
        what,
        String(count),
        seconds.toFixed(0),
        (count / seconds).toFixed(1),
      ]),
    ),
    table(
      ['what', ...columns(few), ...columns(groups)],
      small.map((done, at) => [done.name, ...perOne(done), ...perOne(large[at] ?? done)]),
    ),
    table(['what', 'aim', `with ${few}`, `with ${groups}`], aims(small, large)),
    '',
  ].join('\n\n');
}

const cpuOf = (done: Series, name: string): number => (done.cpu[name] ?? 0) / done.times.length;

/** What is asked of it: that it is so much at least, or at most. */
interface Aim {
  what: string;
  atLeast?: number;
  atMost?: number;
  digits?: number;
  of(all: readonly Series[]): number;
}

const AIMS: readonly Aim[] = [
  { what: 'checks/s, at the slowest depth', atLeast: 2_000, of: (all) => Math.min(...checks(all).map(throughput)) },
  { what: 'CPU ms of a check, at the dearest depth', atMost: 0.8, digits: 2, of: (all) => Math.max(...checks(all).map(both)) },
  {
    what: 'between depths, of the time of a check, %',
    atMost: 10,
    of: (all) => spread(checks(all).map((one) => 1 / throughput(one))),
  },
  { what: 'between depths, of the CPU of a check, %', atMost: 10, of: (all) => spread(checks(all).map(both)) },
  { what: `${TREE}, ms, the slowest`, atMost: 1_000, of: (all) => slowest(all, TREE) },
  { what: `${MOVE}, ms, the slowest`, atMost: 2_000, of: (all) => slowest(all, MOVE) },
];

const aimOf = ({ atLeast, atMost }: Aim): string => (atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`);
const isMet = ({ atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Aim, found: number): boolean =>
  atLeast <= found && found <= atMost;
const shown = ({ digits = 0 }: Aim, found: number): string => found.toFixed(digits);

/** What is asked of it, and what it is. */
const aims = (small: readonly Series[], large: readonly Series[]): string[][] =>
  AIMS.map((aim) => [aim.what, aimOf(aim), ...[small, large].map((all) => shown(aim, aim.of(all)))]);

/** The aims that are missed, each with what it is. */
export const missedBy = (all: readonly Series[]): string[] =>
  AIMS.filter((aim) => !isMet(aim, aim.of(all))).map((aim) => `${aim.what}: ${shown(aim, aim.of(all))}, aim ${aimOf(aim)}`);

const both = (done: Series): number => cpuOf(done, 'Auth') + cpuOf(done, 'MongoDB');
const named = (all: readonly Series[], title: string): Series[] => all.filter(({ name }) => name === title);
const checks = (all: readonly Series[]): Series[] => DEPTHS.flatMap((depth) => named(all, titleOf(depth)));
const slowest = (all: readonly Series[], title: string): number =>
  Math.max(...named(all, title).map((done) => quantile(done, 1)));
/** By how many % the largest is above the smallest. */
const spread = (some: readonly number[]): number => (Math.max(...some) / Math.min(...some) - 1) * 100;
