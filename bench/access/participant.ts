import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, Client, type Registered } from '../../test/client.ts';
import type { Draw } from './draw.ts';
import { all, Fact } from './facts.ts';
import type { Power, Realm } from './realm.ts';
import { Session } from './session.ts';
import type { Verdicts } from './verdicts.ts';
import type { WallClock } from './wall.ts';

/** Access tokens last five minutes. */
const SESSION_MS = 200_000;
/** Changes of itself that are sent at once: they wait for each other, so some are long before their pivot. */
const BURST = 3;
const RECENT = 20;
const VISITS = 20;

/** A command that was accepted. */
export interface Command {
  jobId: string;
  by: Participant;
  session: Session;
  /** Whether it changes its own member. */
  isOwn: boolean;
  asked: number;
}

/** The members that one checker looks after, and what they have done. */
export interface Company {
  realm: Realm;
  members: Participant[];
  commands: Command[];
  verdicts: Verdicts;
  wall: WallClock;
}

/** A member that works: it reads, asks, commands and follows all the time, and holds each answer against what was permitted. */
export class Participant {
  readonly memberId: string;
  /** Whether it is not suspended. */
  readonly active = new Fact(true);
  readonly #registered: Registered;
  readonly #company: Company;
  readonly #draw: Draw;
  #session: Session | undefined;
  #names = 0;
  /** How often it has tried a session whose end is not acknowledged yet. */
  #visits = 0;

  constructor(registered: Registered, company: Company, draw: Draw) {
    this.memberId = registered.memberId;
    this.#registered = registered;
    this.#company = company;
    this.#draw = draw;
  }

  /** The one that it works in now, if that holds. */
  get session(): Session | undefined {
    return this.#session?.alive.value ? this.#session : undefined;
  }

  async work(until: number): Promise<void> {
    while (performance.now() < until) {
      const session = this.#session;
      if (!session) await this.#logIn();
      else if (!session.alive.value) await this.#leave(session);
      else if (session.closed !== undefined || performance.now() - session.begun > SESSION_MS) {
        if (session.closed !== undefined) this.#company.verdicts.other(`a socket was closed with ${session.closed}`);
        this.#session = undefined;
        await session.close();
      } else await this.#act(session);
      await sleep(this.#draw.between(50, 500));
    }
  }

  async close(): Promise<void> {
    await this.#session?.close();
  }

  /** What holds for a command of it, all the time from then to then. */
  permits({ session, isOwn }: Pick<Command, 'session' | 'isOwn'>, from: number, to: number) {
    const { realm } = this.#company;
    return all([session.alive.during(from, to), realm.permits(this.memberId, 'member.update', isOwn, from, to)]);
  }

  /** A token of one more session; undefined while it is suspended, or was just now. */
  async token(): Promise<string | undefined> {
    const { verdicts } = this.#company;
    const { loginId, password } = this.#registered;
    const asked = performance.now();
    const { status, body } = await new Client().post('/v1/auth/login', { loginId, password });
    const active = this.active.during(asked, performance.now());
    if (status !== 200 && body.code !== 'LOGIN_SUSPENDED') verdicts.other(`${status} ${body.code}`);
    else verdicts.judge('log in', active, status === 200, () => `${loginId}: ${status}`);
    // A session of which it is not known whether it is from before a suspension is not used.
    return status === 200 && active === true ? (body.accessToken as string) : undefined;
  }

  async #logIn(): Promise<void> {
    const token = await this.token();
    if (token === undefined) return;
    const { verdicts, wall, realm } = this.#company;
    const mayFollow = (from: number, to: number) => realm.permits(this.memberId, 'job.read', false, from, to);
    this.#session = new Session(token, { verdicts, wall, mayFollow });
    await this.#session.open();
  }

  /** Whether anything is left of a session that has ended. */
  async #leave(session: Session): Promise<void> {
    const { client } = session;
    await this.#ask(session, 'see itself', undefined, () => client.get('/v1/members/me'));
    await this.#command(session, this.memberId);
    await session.knock();
    const isKnown = session.alive.during(performance.now(), performance.now()) === false;
    if (isKnown || this.#visits++ > VISITS) {
      this.#session = undefined;
      this.#visits = 0;
    }
  }

  async #act(session: Session): Promise<void> {
    const { client } = session;
    const { members, commands } = this.#company;
    const { memberId = '' } = this.#draw.of(members.filter((one) => one !== this)) ?? {};
    const { jobId } = this.#draw.of(commands.slice(-RECENT).filter(({ by }) => by !== this)) ?? {};
    const at = this.#draw.next();
    if (at < 0.25) await this.#check(session, memberId, jobId);
    else if (at < 0.45)
      await this.#ask(session, 'list holds', 'member.list-login-holds', () => client.get('/v1/login-holds?pageSize=1'));
    else if (at < 0.6 && jobId) await this.#ask(session, "read another's job", 'job.read', () => client.get(`/v1/jobs/${jobId}`));
    else if (at < 0.85 && jobId) session.follow(jobId);
    else if (at < 0.88) await this.#command(session, memberId);
    else if (at < 0.9) await Promise.all(Array.from({ length: BURST }, () => this.#command(session, this.memberId)));
    else await this.#ask(session, 'see itself', undefined, () => client.get('/v1/members/me'));
  }

  async #check(session: Session, memberId: string, jobId: string | undefined): Promise<void> {
    const { verdicts, realm } = this.#company;
    const asked: { power: Power; resource: object }[] = [
      { power: 'member.update', resource: { type: 'Member', id: memberId } },
      { power: 'member.list-login-holds', resource: { type: 'Member' } },
      ...(jobId ? [{ power: 'job.read' as const, resource: { type: 'Job', id: jobId } }] : []),
    ];
    const checks = asked.map(({ power: action, resource }) => ({ action, resource }));
    const from = performance.now();
    const answer = await this.#ask(session, 'check', undefined, () => session.client.post('/v1/auth/check', { checks }));
    const to = performance.now();
    if (answer?.status !== 200) return;
    for (const [at, { power }] of asked.entries()) {
      const permitted = all([session.alive.during(from, to), realm.permits(this.memberId, power, false, from, to)]);
      verdicts.judge(`check ${power}`, permitted, answer.body.results[at].allowed, () => this.memberId);
    }
  }

  async #command(session: Session, memberId: string): Promise<void> {
    const isOwn = memberId === this.memberId;
    const what = isOwn ? 'change itself' : 'change another member';
    const asked = performance.now();
    const change = { displayName: `name ${this.#names++}` };
    const answer = await this.#ask(
      session,
      what,
      'member.update',
      () => session.client.patch(`/v1/members/${memberId}`, change),
      isOwn,
    );
    if (answer?.status !== 202) return;
    const { jobId } = answer.body;
    const { commands, members } = this.#company;
    commands.push({ jobId, by: this, session, isOwn, asked });
    // Somebody else follows it from its beginning.
    const follower = this.#draw.of(members.filter((one) => one !== this));
    follower?.session?.follow(jobId);
  }

  /**
   * @param power what it takes beside a session
   * @returns undefined: nobody answered, or the answer says nothing of permissions
   */
  async #ask(
    session: Session,
    what: string,
    power: Power | undefined,
    request: () => Promise<Answer>,
    isOwn = false,
  ): Promise<Answer | undefined> {
    const { verdicts, realm } = this.#company;
    const from = performance.now();
    const answer = await request().catch((error: unknown) =>
      verdicts.other(`no answer: ${error instanceof Error ? error.message : ''}`),
    );
    const to = performance.now();
    if (!answer) return undefined;
    const { status, body } = answer;
    const alive = session.alive.during(from, to);
    const text = () =>
      `member ${this.memberId}: ${status} ${body?.code ?? ''}, begun at ${from.toFixed(1)}, answered at ${to.toFixed(1)}`;
    if (status === 401) verdicts.judge(`${what}, by its session`, alive, false, text);
    else if (status === 429 || status >= 500) verdicts.other(`${status} ${body?.code}`);
    else {
      const permitted = power === undefined ? alive : all([alive, realm.permits(this.memberId, power, isOwn, from, to)]);
      verdicts.judge(what, permitted, status < 300, text);
    }
    return answer;
  }
}
