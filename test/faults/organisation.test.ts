import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { admin, unique } from '../client.ts';
import { kill, processes, start } from '../control.ts';
import { type Actor, actors, carryOut, renew } from '../organisation/actors.ts';
import { commandOf, drawRounds, endingOf } from '../organisation/draw.ts';
import { type Ended, isExplained } from '../organisation/explain.ts';
import type { Command } from '../organisation/model.ts';
import { linesOf } from '../organisation/state.ts';
import { Stores } from '../organisation/stores.ts';

// Random commands on groups, their tags, who is in them, asks to be or is invited, and their positions, several at the same time, while
// processes are killed and terms end. After each round there is an order in which its commands explain all answers and what Group and Position
// have; and Auth and the read models have the same.
//
// MUSUBI_MODEL_COMMANDS=10000 MUSUBI_MODEL_SEED=7 npm test -- test/faults/organisation.test.ts

const COMMANDS = Number(process.env.MUSUBI_MODEL_COMMANDS || (process.env.MUSUBI_TEST_WHOLE ? 10_000 : 300));
const SEED = Number(process.env.MUSUBI_MODEL_SEED || randomInt(2 ** 31));
/** Every so many rounds a process is killed. */
const KILL_EVERY = 6;
const KILLED = ['worker', 'auth', 'group', 'position', 'query'];
const RENEW_MS = 120_000;
/** Also of a term whose end was in vain, which is tried again after a minute. */
const AT_REST_MS = 90_000;
/** Of so many groups that are gone it is looked, after each round, that they stay so; of all of them in the end. */
const GONE = 40;

test('whatever is done to the organisation at the same time, amid faults, all stores agree with one order of it', async (t) => {
  t.log(`seed ${SEED}, ${COMMANDS} commands`);
  const names = processes().filter(({ programs }) => KILLED.some((name) => programs.includes(name)));
  const as = await admin();
  const all = await actors(as, 6, 3);
  const memberIds = all.map(({ memberId }) => memberId);
  const [first] = all;
  const made = await first?.client.post('/v1/groups', { name: unique('Organisation') }, { prefer: 'wait=30' });
  t.is(made?.status, 201);
  const topId = made?.body.id as string;
  const stores = new Stores();
  t.teardown(() => stores.close());
  let { state } = await stores.read([topId], memberIds);
  const gone: string[] = [];
  let renewed = Date.now();
  const ends = new Map<string, number>();
  const pace = new Pace(COMMANDS);

  for (const [at, drawn] of drawRounds(COMMANDS, SEED).entries()) {
    if (Date.now() - renewed > RENEW_MS) {
      await renew(all);
      renewed = Date.now();
    }
    const now = Date.now();
    const commands = drawn.map((one) => commandOf(one, { state, topId, gone: gone.slice(-GONE), actors: all, now }));
    const killed = at % KILL_EVERY === KILL_EVERY - 1 ? names[Math.floor(at / KILL_EVERY) % names.length]?.name : undefined;
    const fault = async (): Promise<void> => {
      if (!killed) return;
      await sleep((SEED + at * 37) % 150);
      await kill(killed);
      await start(killed);
    };
    const [asked] = await Promise.all([
      Promise.all(commands.map((command) => carryOut(askerOf(all, command), command))),
      fault(),
    ]);
    const ended = [...asked.flat(), ...(await passed(asked.flat(), now))];
    const ids = [...state.groups.keys(), ...gone.slice(-GONE)];
    for (const { command, end } of ended) {
      if (command.kind === 'create' && end === 'done') ids.push(command.id);
      const told = `${command.kind} ${end}`;
      ends.set(told, (ends.get(told) ?? 0) + 1);
    }
    const after = await atRest(stores, ids, memberIds);
    const round = () =>
      [
        `seed ${SEED}, round ${at}${killed ? `, in which ${killed} was killed` : ''}`,
        ...linesOf(state).map((line) => `  before ${line}`),
        ...ended.map(({ command, end }) => `  ${end}: ${JSON.stringify(command)}`),
        ...linesOf(after.state).map((line) => `  after  ${line}`),
      ].join('\n');
    if (!isExplained(state, ended, after.state)) t.fail(`no order explains ${round()}`);
    if (after.differences.length > 0) t.fail(`${after.differences.join('\n')}\n${round()}`);
    for (const id of ids) if (!after.state.groups.has(id) && !gone.includes(id)) gone.push(id);
    state = after.state;
    pace.count(commands.length);
  }
  const { differences, state: last } = await atRest(stores, [...state.groups.keys(), ...gone], memberIds);
  t.deepEqual([...differences, ...linesOf(last)], linesOf(state), 'what is gone stays so');
  t.log([...ends].sort().map(([what, count]) => `${what}: ${count}`));
  t.log(`commands/s, tenth by tenth: ${pace.tenths.join(', ')}`);
  t.true((await as.delete(`/v1/groups/${topId}?cascade=true`, { prefer: 'wait=30' })).status < 300);
});

function askerOf(all: readonly Actor[], { by }: Command): Actor {
  const actor = all.find(({ memberId }) => memberId === by);
  if (!actor) throw new Error('nobody asks for it');
  return actor;
}

/** Waits until the time of what ends soon is over. @returns that it is. @param now when the round began */
async function passed(ended: readonly Ended[], now: number): Promise<Ended[]> {
  const endings = ended.flatMap(({ command, end }) => (end === 'done' ? (endingOf(command, now) ?? []) : []));
  const last = Math.max(0, ...endings.map((one) => ('until' in one ? Date.parse(one.until) : 0)));
  if (last > 0) await sleep(Math.max(0, last - Date.now()));
  return endings.map((command) => ({ command, end: 'done' }));
}

/** What there is once all stores agree, or soon after: what was undone is promised to queries, but not by when. */
async function atRest(stores: Stores, ...which: Parameters<Stores['read']>): ReturnType<Stores['read']> {
  for (const until = Date.now() + AT_REST_MS; ; await sleep(250)) {
    const found = await stores.read(...which);
    if (found.differences.length === 0 || Date.now() > until) return found;
  }
}

/** How many commands a second are done, in each tenth of all: whether what has been slows down what comes. */
class Pace {
  readonly tenths: string[] = [];
  readonly #all: number;
  #done = 0;
  #since = { done: 0, at: performance.now() };

  constructor(all: number) {
    this.#all = all;
  }

  count(commands: number): void {
    this.#done += commands;
    const { done, at } = this.#since;
    if ((this.#done - done) * 10 < this.#all) return;
    this.tenths.push((((this.#done - done) * 1_000) / (performance.now() - at)).toFixed(1));
    this.#since = { done: this.#done, at: performance.now() };
  }
}
