import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, Client } from '../../test/client.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { Draw } from './draw.ts';
import type { Fact } from './facts.ts';
import type { Company, Participant } from './participant.ts';
import { type Policy, type Role, textOf } from './realm.ts';

type Headers = Record<string, string>;

/** Changes what the members of a company may do, one change after the other, and notes from when until when each was asked for. */
export class Checker {
  /** How often each kind of change was done, and why others were not. */
  readonly changes = new Map<string, number>();
  readonly #company: Company;
  readonly #by: Acknowledgements;
  readonly #draw: Draw;
  /** What is still waited for: closes and topics that must end. */
  readonly #pending = new Set<Promise<void>>();

  constructor(company: Company, by: Acknowledgements, draw: Draw) {
    this.#company = company;
    this.#by = by;
    this.#draw = draw;
  }

  async work(until: number): Promise<void> {
    while (performance.now() < until) {
      await this.#change();
      await sleep(this.#draw.between(0, 200));
    }
    await Promise.all(this.#pending);
  }

  async #change(): Promise<void> {
    const { realm, members } = this.#company;
    const at = this.#draw.next();
    const suspended = members.find(({ active }) => !active.value);
    if (suspended && this.#draw.chance(0.3)) return await this.#reinstate(suspended);
    const member = this.#draw.of(members.filter(({ active }) => active.value));
    const role = this.#draw.of(realm.roles);
    // What takes from all is soon taken back, or little would be permitted.
    const policy = realm.policies.find(({ says }) => !says.value) ?? this.#draw.of(realm.policies);
    const allowing = this.#draw.of(realm.allowing);
    const denying = realm.roles.find(({ carries }) => carries.get(realm.denial.id)?.value);
    if (!member || !role || !policy || !allowing) return;
    if (denying && this.#draw.chance(0.6)) await this.#attach(denying, realm.denial);
    else if (at < 0.45) await this.#assign(member, role);
    else if (at < 0.65) await this.#attach(role, this.#draw.chance(0.1) ? realm.denial : allowing);
    else if (at < 0.72) await this.#rewrite(policy);
    else if (at < 0.86) await this.#suspend(member);
    else await this.#endSession(member);
  }

  get #admin(): Client {
    return this.#by.client;
  }

  async #assign({ memberId }: Participant, { id, held }: Role): Promise<void> {
    const path = `/v1/members/${memberId}/roles/${id}`;
    const fact = held.get(memberId) as Fact;
    if (fact.value) await this.#make('take a role', [fact], false, (headers) => this.#admin.delete(path, headers));
    else await this.#make('give a role', [fact], true, (headers) => this.#admin.put(path, undefined, headers));
  }

  async #attach({ id, carries }: Role, policy: Policy): Promise<void> {
    const path = `/v1/roles/${id}/policies/${policy.id}`;
    const fact = carries.get(policy.id) as Fact;
    if (fact.value) await this.#make('detach a policy', [fact], false, (headers) => this.#admin.delete(path, headers));
    else await this.#make('attach a policy', [fact], true, (headers) => this.#admin.put(path, undefined, headers));
  }

  async #rewrite(policy: Policy): Promise<void> {
    const says = !policy.says.value;
    await this.#make('change a policy', [policy.says], says, (headers) =>
      this.#admin.patch(`/v1/policies/${policy.id}`, textOf(policy, says), headers),
    );
  }

  async #reinstate({ memberId, active }: Participant): Promise<void> {
    await this.#make('reinstate', [active], true, (headers) =>
      this.#admin.post(`/v1/members/${memberId}:reinstate`, undefined, headers),
    );
  }

  async #suspend({ memberId, active, session }: Participant): Promise<void> {
    const facts = [active, ...(session ? [session.alive] : [])];
    const isDone = await this.#make('suspend', facts, false, (headers) =>
      this.#admin.post(`/v1/members/${memberId}:suspend`, undefined, headers),
    );
    if (isDone && session) this.#watch(session.ended(performance.now()));
  }

  /** By the member itself: it logs out, or ends the session from another one. */
  async #endSession(member: Participant): Promise<void> {
    const { session } = member;
    if (!session) return;
    const isLogout = this.#draw.chance(0.5);
    const token = isLogout ? session.client.token : await member.token();
    if (token === undefined || !session.alive.value) return;
    const other = new Client(token);
    const isDone = await this.#make(isLogout ? 'log out' : 'end a session', [session.alive], false, () =>
      isLogout ? other.post('/v1/auth/logout') : other.delete(`/v1/auth/sessions/${sessionOf(session.client.token)}`),
    );
    if (isDone) this.#watch(session.ended(performance.now()));
  }

  /** @returns whether it was done */
  async #make(
    name: string,
    facts: readonly Fact[],
    value: boolean,
    ask: (headers: Headers) => Promise<Answer>,
  ): Promise<boolean> {
    const way = this.#draw.chance(0.5) ? 'answer' : 'frame';
    const settle = facts.map((fact) => fact.change(value));
    const { isDone, why } = await this.#by.of(way, ask);
    const acknowledged = performance.now();
    if (isDone !== undefined) for (const one of settle) one(isDone);
    const counted = isDone ? name : `${name}: ${why}`;
    this.changes.set(counted, (this.changes.get(counted) ?? 0) + 1);
    for (const { session } of this.#company.members) {
      session?.ping();
      if (isDone && session) this.#watch(session.narrowed(acknowledged));
    }
    return isDone === true;
  }

  #watch(pending: Promise<void>): void {
    this.#pending.add(pending);
    void pending.finally(() => this.#pending.delete(pending));
  }
}

/** The session that an access token is of. */
function sessionOf(token = ''): string {
  return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }).sid;
}
