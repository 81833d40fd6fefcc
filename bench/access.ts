import { randomInt } from 'node:crypto';
import { cpus } from 'node:os';
import type { Stack } from '../local/stack.ts';
import { address, type Client, register } from '../test/client.ts';
import { Acknowledgements } from './access/acknowledgements.ts';
import { Checker } from './access/checker.ts';
import { deleteUnderLoad } from './access/deletion.ts';
import { Draw } from './access/draw.ts';
import { type Command, type Company, Participant } from './access/participant.ts';
import { Pivots } from './access/pivots.ts';
import { Realm } from './access/realm.ts';
import { Verdicts } from './access/verdicts.ts';
import { WallClock } from './access/wall.ts';
import { round, table } from './measure.ts';

/** Members with roles and a checker of their own, which changes one thing after the other. */
const COMPANY = 10;
const CLOSE_P99_MS = 250;
/** Violations that are printed of each kind. */
const SHOWN = 5;

/**
 * `npm run bench -- access [--clients N] [--seconds N] [--seed N]`: members use REST, sockets and jobs while their roles, policies,
 * logins and sessions change, and each answer and frame is held against what was permitted. Then members are deleted while their
 * own changes are under way.
 *
 * @throws when anything was allowed, sent or done on an old permission, or refused although it was permitted, or an aim is missed
 */
export async function run(stack: Stack, options: { clients?: string; seconds?: string; seed?: string }): Promise<void> {
  const clients = Number(options.clients ?? 50);
  const seconds = Number(options.seconds ?? 60);
  const seed = Number(options.seed ?? randomInt(4_294_967_296));
  process.stdout.write(
    `# Access while it changes\n\n${clients} clients for ${seconds} s, seed ${seed}, on ${cpus().length} cores\n\n`,
  );
  const by = await Acknowledgements.open(stack.admin);
  const judging = { pivots: await Pivots.watch(address('MUSUBI_MONGODB_URL')), wall: new WallClock() };
  const missed = await changeWhileUsed(by, { clients, seconds, seed, ...judging });
  const deletion = await deleteUnderLoad(by.client, judging);
  await judging.pivots.stop();
  judging.wall.requireSteady();
  process.stdout.write(`${table(['a member that is deleted amid its changes', 'measured', 'aim'], deletion.rows)}\n`);
  await by.close();
  missed.push(...deletion.missed);
  if (missed.length > 0) throw new Error(`seed ${seed}:\n${missed.join('\n')}`);
}

/** @returns what must not have been */
async function changeWhileUsed(
  by: Acknowledgements,
  { clients, seconds, seed, pivots, wall }: { clients: number; seconds: number; seed: number; pivots: Pivots; wall: WallClock },
): Promise<string[]> {
  const verdicts = new Verdicts();
  const companies: Company[] = [];
  for (let first = 0; first < clients; first += COMPANY) {
    const draw = (at: number) => new Draw(seed, first + at);
    companies.push(await company(by.client, Math.min(COMPANY, clients - first), draw, { verdicts, wall }));
  }
  const checkers = companies.map((one, at) => new Checker(one, by, new Draw(seed, clients + at)));
  const members = companies.flatMap(({ members }) => members);
  const until = performance.now() + seconds * 1_000;
  await Promise.all([...checkers, ...members].map((one) => one.work(until)));
  await Promise.all(members.map((member) => member.close()));
  const commands = companies.flatMap(({ commands }) => commands);
  const jobs = await judgeCommands(by.client, commands, pivots, { verdicts, wall });
  process.stdout.write(`${render(verdicts, checkers, jobs)}\n\n`);
  const slow = p(verdicts.closes, 0.99);
  const shown = Map.groupBy(verdicts.violations, ({ what }) => what)
    .values()
    .flatMap((of) => of.slice(0, SHOWN));
  return [
    ...shown.map(({ what, text }) => `${what}: ${text}`),
    ...(slow > CLOSE_P99_MS ? [`a close was seen ${round(slow)} ms after the acknowledgement (p99)`] : []),
  ];
}

async function company(
  admin: Client,
  size: number,
  draw: (at: number) => Draw,
  judging: Pick<Company, 'verdicts' | 'wall'>,
): Promise<Company> {
  const registered = await Promise.all(Array.from({ length: size }, () => register(admin, 'worker')));
  const realm = await Realm.make(
    admin,
    registered.map(({ memberId }) => memberId),
  );
  const made: Company = { realm, members: [], commands: [], ...judging };
  made.members = registered.map((one, at) => new Participant(one, made, draw(at)));
  return made;
}

/**
 * How commands ended, and whether one passed its pivot although it was not permitted any more, or was refused there although it was.
 *
 * @returns how many, by their ends
 */
async function judgeCommands(
  admin: Client,
  commands: readonly Command[],
  pivots: Pivots,
  { verdicts, wall }: Pick<Company, 'verdicts' | 'wall'>,
): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  for (const command of commands) {
    const job = await admin.finished(command.jobId);
    const end = [job.state, job.error?.code].filter(Boolean).join(' ');
    ends.set(end, (ends.get(end) ?? 0) + 1);
    const passed = await pivots.of(command.jobId, job.state === 'completed');
    const text = () => `job ${command.jobId} of member ${command.by.memberId} ended ${end}`;
    if (passed !== undefined) {
      const at = wall.earliest(passed);
      // Whole milliseconds: not later than the end of this one.
      verdicts.judge('pass the pivot', command.by.permits(command, at, at + 1), true, text, 'late pivot');
    } else if (job.error?.code === 'PERMISSION_REVOKED') {
      const ended = wall.earliest(Date.parse(job.updatedAt));
      verdicts.judge('pass the pivot', command.by.permits(command, command.asked, ended), false, text);
    }
  }
  return ends;
}

const p = (times: readonly number[], q: number): number => {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
};

function render(
  { counts, violations, closes, narrowings, others }: Verdicts,
  checkers: readonly Checker[],
  jobs: ReadonlyMap<string, number>,
) {
  const found = (what: string): number => violations.filter((one) => one.what === what).length;
  const changes = new Map<string, number>();
  for (const [name, count] of checkers.flatMap((one) => [...one.changes])) changes.set(name, (changes.get(name) ?? 0) + count);
  const listed = (counted: ReadonlyMap<string, number>): string[][] => [...counted].map(([name, count]) => [name, String(count)]);
  const times = (all: readonly number[]): [string, string] => [round(p(all, 0.5)), round(p(all, 0.99))];
  return [
    table(
      ['what must not be', 'found', 'aim'],
      ['stale allow', 'late grant', 'late pivot', 'frame on an old permission', 'not closed', 'not narrowed'].map((what) => [
        what,
        String(found(what)),
        '0',
      ]),
    ),
    table(
      ['after the acknowledgement, ms', 'times', 'p50', 'p99', 'aim of p99'],
      [
        ['a socket is closed', String(closes.length), ...times(closes), `≤ ${CLOSE_P99_MS}`],
        ['a topic has ended', String(narrowings.length), ...times(narrowings), ''],
      ],
    ),
    table(
      ['held against what was permitted', 'allowed', 'refused', 'just being changed'],
      [...counts].map(([what, { allowed, refused, open }]) => [what, ...[allowed, refused, open].map(String)]),
    ),
    table(['changes', 'times'], listed(changes)),
    table(['commands of members', 'jobs'], listed(jobs)),
    table(['answers that say nothing of permissions', 'times'], listed(others)),
  ].join('\n\n');
}
