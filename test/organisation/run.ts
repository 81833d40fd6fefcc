import { setTimeout as sleep } from 'node:timers/promises';
import { address, type Client, login, unique } from '../client.ts';
import { kill, processes, start } from '../control.ts';
import { type Actor, actors, carryOut, renew } from './actors.ts';
import { commandOf, type Drawn, endingOf } from './draw.ts';
import { type Ended, nearest } from './explain.ts';
import type { Command } from './model.ts';
import { summary, whole } from './report.ts';
import { linesOf, type State } from './state.ts';
import { Stores } from './stores.ts';

/** Every so many rounds a process is killed. */
const KILL_EVERY = 6;
const KILLED = ['worker', 'auth', 'group', 'position', 'query'];
/** Access tokens last five minutes, also where a round does, and where one time nobody can log in, as Auth was killed. */
const RENEW_MS = 60_000;
/** Also of a term whose end was in vain for a minute, which is tried again after another one; and on a machine that takes its time. */
const AT_REST_MS = 300_000;
/** Of so many groups that are gone it is looked, after each round, that they stay so; of all of them in the end. */
const GONE = 40;

const ADMIN = () => ({ loginId: address('MUSUBI_ADMIN_LOGIN_ID'), password: address('MUSUBI_ADMIN_PASSWORD') });

/** An organisation within the whole one, to which things are done round by round. */
export class Run {
  /** How often which command ended how. */
  readonly ends = new Map<string, number>();
  /** Of those that were asked, not what time ends. */
  readonly asked = { done: 0, away: 0, all: 0 };
  /** The kinds of those of which something was done. */
  readonly kindsDone = new Set<string>();
  /** All that there is to say of a round that is not explained. */
  unexplained: string[] = [];
  readonly #seed: number;
  readonly #as: Client;
  readonly #actors: readonly Actor[];
  readonly #memberIds: readonly string[];
  readonly #topId: string;
  readonly #stores = new Stores();
  readonly #gone = new Set<string>();
  readonly #killed = processes()
    .filter(({ programs }) => KILLED.some((name) => programs.includes(name)))
    .map(({ name }) => name);
  #state: State = { groups: new Map() };
  #rounds = 0;
  readonly #renewal: NodeJS.Timeout;

  private constructor(seed: number, as: Client, all: readonly Actor[], topId: string) {
    this.#seed = seed;
    this.#as = as;
    this.#actors = all;
    this.#memberIds = all.map(({ memberId }) => memberId);
    this.#topId = topId;
    this.#renewal = setInterval(() => void renew([...all, { ...ADMIN(), client: as }]), RENEW_MS);
  }

  static async begin(seed: number): Promise<Run> {
    const as = await login(ADMIN().loginId, ADMIN().password);
    const all = await actors(as, 6, 3);
    const made = await all[0]?.client.post('/v1/groups', { name: unique('Organisation') }, { prefer: 'wait=30' });
    if (made?.status !== 201) throw new Error(`no group was made: ${made?.status} ${JSON.stringify(made?.body)}`);
    const run = new Run(seed, as, all, made.body.id);
    run.#state = (await run.#stores.read([made.body.id], run.#memberIds)).state;
    return run;
  }

  /** Does all of it at the same time, amid a fault at times. @throws unless an order of it explains what there is then, in all stores */
  async round(drawn: readonly Drawn[]): Promise<void> {
    const at = this.#rounds++;
    const [state, gone, now] = [this.#state, [...this.#gone].slice(-GONE), Date.now()];
    const commands = drawn.map((one) => commandOf(one, { state, topId: this.#topId, gone, actors: this.#actors, now }));
    const killed =
      at % KILL_EVERY === KILL_EVERY - 1 ? this.#killed[Math.floor(at / KILL_EVERY) % this.#killed.length] : undefined;
    const fault = async (): Promise<void> => {
      if (!killed) return;
      await sleep((this.#seed + at * 37) % 150);
      await kill(killed);
      await start(killed);
    };
    const [ends] = await Promise.all([
      Promise.all(commands.map((command) => carryOut(this.#askerOf(command), command))),
      fault(),
    ]);
    const asked = ends.flat();
    this.asked.all += asked.length;
    this.asked.done += asked.filter(isDone).length;
    this.asked.away += asked.filter(({ end }) => end === 'away').length;
    for (const [one, { kind }] of commands.entries()) if (ends[one]?.some(isDone)) this.kindsDone.add(kind);
    const ended = [...asked, ...(await passed(asked, now))];
    const ids = [...state.groups.keys(), ...gone];
    for (const { command, end } of ended) {
      if (command.kind === 'create' && end === 'done') ids.push(command.id);
      const told = `${command.kind} ${end}`;
      this.ends.set(told, (this.ends.get(told) ?? 0) + 1);
    }
    const { state: after, differences } = await this.#atRest(ids);
    const round = { before: state, ended, after, differences, nearest: nearest(state, ended, after) };
    if (round.nearest || differences.length > 0) {
      const where = `seed ${this.#seed}, round ${at}${killed ? `, in which ${killed} was killed` : ''}`;
      this.unexplained = [where, ...whole(round)];
      throw new Error([where, ...summary(round)].join('\n'));
    }
    for (const id of ids) if (!after.groups.has(id)) this.#gone.add(id);
    this.#state = after;
  }

  /** Looks at all that there ever was, and deletes it. @returns what has changed since the last round, or is left */
  async end(): Promise<string[]> {
    const before = linesOf(this.#state);
    const ids = [...this.#state.groups.keys(), ...this.#gone];
    const { state, differences } = await this.#atRest(ids);
    const changed = linesOf(state).filter((line) => !before.includes(line));
    const { status, body } = await this.#as.delete(`/v1/groups/${this.#topId}?cascade=true`, { prefer: 'wait=30' });
    const isGone = status === 202 ? (await this.#as.finished(body.jobId, 300)).state === 'completed' : status < 300;
    if (!isGone) throw new Error(`it could not be deleted: ${status} ${JSON.stringify(body)}`);
    const left = await this.#atRest(ids);
    return [...differences, ...changed, ...left.differences, ...linesOf(left.state)];
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal);
    await this.#stores.close();
  }

  #askerOf({ by }: Command): Actor {
    const actor = this.#actors.find(({ memberId }) => memberId === by);
    if (!actor) throw new Error('nobody asks for it');
    return actor;
  }

  /** What there is once all stores agree, or soon after: what was undone is promised to queries, but not by when. */
  async #atRest(ids: readonly string[]): ReturnType<Stores['read']> {
    for (const until = Date.now() + AT_REST_MS; ; await sleep(250)) {
      const found = await this.#stores.read(ids, this.#memberIds);
      if (found.differences.length === 0 || Date.now() > until) return found;
    }
  }
}

const isDone = ({ end }: Ended): boolean => end === 'done';

/** Waits until the time of what ends soon is over. @returns that it is. @param now when the round began */
async function passed(ended: readonly Ended[], now: number): Promise<Ended[]> {
  const endings = ended.filter(isDone).flatMap(({ command }) => endingOf(command, now) ?? []);
  const last = Math.max(0, ...endings.map(({ until }) => Date.parse(until)));
  await sleep(Math.max(0, last - Date.now()));
  return endings.map((command) => ({ command, end: 'done' }));
}
