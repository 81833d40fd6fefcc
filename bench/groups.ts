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
import { login } from '../test/client.ts';
import { Organisation } from './groups/organisation.ts';
import { quantile, type Series, series, table, throughput } from './measure.ts';

/** Of the chain's groups: how deep they are. */
const DEPTHS = [1, 10, 99];
const CHECKS = 2_000;
const CHECKS_AT_ONCE = 20;
const READS = 50;
const READS_AT_ONCE = 4;
const MOVES = 6;
const AIMS: Record<string, string> = { tree: '≤ 1,000', move: '≤ 2,000', check: '≤ 0.8 ms, ≥ 2,000/s, within 10 %' };

interface Row {
  title: string;
  done: Series;
  aim?: string | undefined;
}

/**
 * `npm run bench -- groups [--groups N] [--members N] [--memberships N] [--seed N]`: an organisation that the product's own commands make,
 * with a tenth of the groups and with all of them: what a permission check costs at which depth, queries, and the move of a subtree.
 */
export async function run(
  stack: Stack,
  options: { groups?: string; members?: string; memberships?: string; seed?: string },
): Promise<void> {
  const groups = Number(options.groups ?? 10_000);
  const [members, memberships] = [Number(options.members ?? 2_000), Number(options.memberships ?? 50)];
  const few = Math.ceil(groups / 10);
  const organisation = await Organisation.begin(stack.admin, groups, Number(options.seed ?? 1));
  const lifecycle = new Lifecycle(createLogger('bench', 'warn'), 5_000);
  const contracts = { auth: calledBy('gateway').auth };
  const caller = new Caller('gateway', process.env[keyVariable('gateway')] ?? '');
  const { auth } = connectPeers(contracts, { config: loadConfig(peerShape(contracts), process.env), caller, lifecycle });
  try {
    await organisation.register(members);
    await organisation.makeGround();
    await organisation.leadChain(organisation.members.slice(0, CHECKS_AT_ONCE));
    const measure = async (): Promise<Row[]> => {
      const lanes = await Promise.all(
        organisation.members
          .slice(0, CHECKS_AT_ONCE)
          .map(async ({ loginId, password }) => (await login(loginId, password)).token ?? ''),
      );
      const check = async (depth: number, i: number): Promise<void> => {
        const resource = { type: 'Group', id: organisation.chain[depth - 1] ?? '', ownerId: '' };
        const accessToken = lanes[i % lanes.length] ?? '';
        await auth.authorize({
          accessToken,
          action: 'group.update',
          resource,
          wantsPermit: false,
          filtered: false,
          origin: undefined,
        });
      };
      return await measureAll(organisation, stack.pids(), check);
    };
    await organisation.growBranch(few - 1);
    await organisation.fill(organisation.branch, memberships);
    const small = await measure();
    await organisation.growTo(groups);
    // What is in the branch stays there.
    await organisation.fill(organisation.others, memberships - Math.ceil(memberships / 10));
    const large = groups > few ? await measure() : small;
    const report = render({ organisation, groups, few, members, memberships, small, large });
    process.stdout.write(`\n${report}\n`);
    mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
    writeFileSync(join(import.meta.dirname, 'results', 'groups.md'), report);
  } finally {
    organisation.close();
    await lifecycle.stop('done');
  }
}

async function measureAll(
  organisation: Organisation,
  own: Record<string, number>,
  check: (depth: number, i: number) => Promise<void>,
): Promise<Row[]> {
  const pids = { Auth: own.auth ?? own.app ?? 0, MongoDB: own.mongodb ?? 0 };
  const rows: Row[] = [];
  const all = async (title: string, count: number, concurrency: number, one: (i: number) => Promise<unknown>, aim?: string) => {
    // What is remembered after the first is part of it.
    await one(0);
    const done = await series(title, { count, concurrency, pids }, async (i) => void (await one(i)));
    rows.push({ title, done, aim });
    process.stdout.write(`${title}: p50 ${quantile(done, 0.5).toFixed(1)} ms, ${throughput(done).toFixed(0)}/s\n`);
  };
  for (const depth of DEPTHS)
    await all(`permission check at the depth ${depth}`, CHECKS, CHECKS_AT_ONCE, (i) => check(depth, i), AIMS.check);
  await all('the whole tree', 3, 1, () => wholeTree(organisation), AIMS.tree);
  const some = organisation.branch;
  const read = (title: string, pathOf: (i: number) => string): Promise<void> =>
    all(title, READS, READS_AT_ONCE, (i) => organisation.get(pathOf(i)));
  await read('groups, a page of 100', () => '/v1/groups?pageSize=100');
  await read('groups by a word of the name', (i) => `/v1/groups?query=Group-${(i % 16).toString(16)}a`);
  await read('the groups right below one', (i) => `/v1/groups/${some[i % some.length]?.id}/subgroups`);
  await read('the ancestors of the deepest', () => `/v1/groups/${organisation.chain.at(-1)}/ancestors`);
  await read('the members of one', (i) => `/v1/groups/${some[i % some.length]?.id}/members`);
  await read('the groups of a member', (i) => {
    const { members } = organisation;
    return `/v1/members/${members[i % members.length]?.memberId}/groups?pageSize=100`;
  });
  await all(`move of ${organisation.branch.length} groups`, MOVES, 1, (i) => organisation.move(i), AIMS.move);
  return rows;
}

/** As many pages as it takes. @returns how many groups there are */
async function wholeTree(organisation: Organisation): Promise<number> {
  let count = 0;
  for (let pageToken = '', isFirst = true; isFirst || pageToken !== ''; isFirst = false) {
    const next = pageToken === '' ? '' : `&pageToken=${encodeURIComponent(pageToken)}`;
    const page = await organisation.get(`/v1/groups/root/subgroups?depth=100&pageSize=10000${next}`);
    count += page.items.length;
    pageToken = page.nextPageToken ?? '';
  }
  return count;
}

function render(o: {
  organisation: Organisation;
  groups: number;
  few: number;
  members: number;
  memberships: number;
  small: readonly Row[];
  large: readonly Row[];
}): string {
  const perOne = ({ done }: Row): string[] => [
    quantile(done, 0.5).toFixed(1),
    quantile(done, 0.99).toFixed(1),
    throughput(done).toFixed(0),
    ...['Auth', 'MongoDB'].map((name) => ((done.cpu[name] ?? 0) / done.times.length).toFixed(2)),
  ];
  const columns = (at: number): string[] =>
    ['p50 ms', 'p99 ms', '/s', 'CPU ms of Auth', 'of MongoDB'].map((one) => `${one} (${at})`);
  return [
    `# Groups\n\n\`npm run bench -- groups --groups ${o.groups} --members ${o.members} --memberships ${o.memberships}\` on ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}, each program in a process of its own. The same with ${o.few} groups and with ${o.groups}, besides a chain of 99 that is as deep as groups can be. Those who ask for permission lead the chain from its top; CPU is that of one.`,
    table(
      ['made by commands', 'how many', 's', '/s'],
      o.organisation.made.map(({ what, count, seconds }) => [
        what,
        String(count),
        seconds.toFixed(0),
        (count / seconds).toFixed(1),
      ]),
    ),
    table(
      ['what', ...columns(o.few), ...columns(o.groups), 'aim'],
      o.small.map((row, at) => [row.title, ...perOne(row), ...perOne(o.large[at] ?? row), row.aim ?? '']),
    ),
    '',
  ].join('\n\n');
}
