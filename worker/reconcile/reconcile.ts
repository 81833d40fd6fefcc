import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#platform/process/log.ts';
import { PAGE } from '#platform/state.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import type { SagaPeers } from '../../activities/index.ts';
import { type LoginDrift, loginDrift, type RoleDrift, roleDrift } from './drift.ts';
import { Findings, type Pass, type Report } from './findings.ts';
import { GROUP_PASSES, GroupPasses, type GroupPeers } from './groups.ts';
import { held, idsAfter, members, policies, roles, settledRoles, type Tellers } from './truth.ts';

/** What a run works with. */
export interface Reconciling {
  auth: Pick<SagaPeers['auth'], 'listLogins' | 'listRoles' | 'correctLogin' | 'correctRole'> & GroupPeers['auth'];
  websocket: Pick<SagaPeers['websocket'], 'closeSockets' | 'narrowSockets'>;
  group: GroupPeers['group'];
  position: GroupPeers['position'];
  tellers: Tellers;
  log: Logger;
  /** Is told how far the run is. Given to {@link reconcile}, that has another run go on from there. */
  progressed?: (progress: Progress) => void;
  /** After how long what differs is looked at again, ms. Default 2,000. */
  settleMs?: number;
}

/** A run goes over all that Auth has, and then over all that Auth may lack. */
const ACCESS_PASSES = ['roles', 'absent roles', 'logins', 'missing logins'] as const;
const PASSES = [...ACCESS_PASSES, ...GROUP_PASSES] as const;

/** How far a run is. */
export interface Progress {
  pass: number;
  /** Up to this ID all is done. */
  after: string;
  report: Report;
}

const SETTLE_MS = 2_000;
/**
 * More logins than these, or than Member has members, are not closed because it does not know them: it may have been restored to an older
 * copy, or have begun anew.
 */
const MOST_UNKNOWN = 100;

/**
 * Compares what Auth has of members, roles and groups with what the services have whose these are, and makes Auth agree. A difference is real if it is still
 * there a while later, and no job is at work on the thing: Auth is read first, so what a job has changed there is locked or done in the
 * others by the time that they are read. A copy that has changed since it was compared is not written. One page is held at a time.
 *
 * @param progress of a run that was broken off
 */
export async function reconcile(context: Reconciling, progress?: Progress): Promise<Report> {
  const run = new Reconciliation(context, progress?.report);
  for (let pass = progress?.pass ?? 0; pass < PASSES.length; pass++)
    await run.pass(pass, pass === progress?.pass ? progress.after : '');
  return run.findings.report;
}

class Reconciliation {
  readonly findings: Findings;
  readonly #context: Reconciling;
  readonly #groups: GroupPasses;
  /** A run that goes on from here need not look at what is before it. */
  #at = { pass: 0, after: '' };
  /** Open logins of no member: what becomes of them depends on how many there are. */
  #unknown: LoginDrift[] = [];

  constructor(context: Reconciling, report: Report | undefined) {
    this.#context = context;
    this.findings = new Findings(report, context.log, () => this.#tell());
    this.#groups = new GroupPasses(context, this.findings);
  }

  /** One pass over all of a kind. */
  async pass(number: number, from: string): Promise<void> {
    const { page, differing, repair } = this.#parts(PASSES[number] ?? 'roles');
    let pending: string[] = [];
    this.#at = { pass: number, after: from };
    for (let after = from, isLast = false; !isLast; ) {
      const ids = await page(after);
      isLast = ids.length < PAGE;
      after = ids.at(-1) ?? after;
      pending.push(...(await differing(ids)));
      if (pending.length >= PAGE || (isLast && pending.length > 0)) {
        await sleep(this.#context.settleMs ?? SETTLE_MS);
        for (let at = 0; at < pending.length; at += PAGE) await repair(pending.slice(at, at + PAGE));
        pending = [];
      }
      if (pending.length === 0) this.#at.after = after;
      this.#tell();
    }
    await this.#closeUnknown();
    await this.#groups.settleUnknown();
  }

  #tell(): void {
    this.#context.progressed?.({ ...this.#at, report: this.findings.report });
  }

  async #closeUnknown(): Promise<void> {
    const unknown = this.#unknown;
    this.#unknown = [];
    if (unknown.length === 0) return;
    // One page is more than the most.
    const { length: known } = await idsAfter(this.#context.tellers, 'member', '');
    const most = Math.min(known, MOST_UNKNOWN);
    const why = known === 0 ? 'STORE_EMPTY' : unknown.length > most ? 'TOO_MANY' : undefined;
    for (const drift of unknown) {
      if (why) this.findings.leave('unknown-member', drift.memberId, why);
      else await this.#correctLogin(drift);
    }
  }

  /** Where the IDs of a pass come from, what of them is looked for, and what is done about it. */
  #parts(kind: (typeof PASSES)[number]): Pass {
    const { auth, tellers } = this.#context;
    const { compared } = this.findings.report;
    const rolesIn = async (ids: string[], absent: boolean): Promise<RoleDrift[]> =>
      (await this.#roles(ids)).filter(({ kind }) => (kind === 'absent-role') === absent);
    const loginsIn = async (ids: string[], missing: boolean): Promise<LoginDrift[]> =>
      (await this.#logins(ids)).filter(({ kinds }) => kinds.includes('missing-login') === missing);
    const ofRoles = (page: Pass['page'], absent: boolean): Pass => ({
      page,
      differing: async (ids) => (await rolesIn(ids, absent)).map(({ roleId }) => roleId),
      repair: async (ids) => this.#repairRoles(await rolesIn(ids, absent)),
    });
    const ofLogins = (page: Pass['page'], missing: boolean): Pass => ({
      page,
      differing: async (ids) => (await loginsIn(ids, missing)).map(({ memberId }) => memberId),
      repair: async (ids) => this.#repairLogins(await loginsIn(ids, missing)),
    });
    switch (kind) {
      case 'roles':
        return ofRoles(async (afterId) => {
          const found = (await auth.listRoles({ afterId, limit: PAGE, roleIds: [] })).roles;
          compared.roles += found.length;
          return found.map(({ roleId }) => roleId);
        }, false);
      case 'absent roles':
        return ofRoles((after) => idsAfter(tellers, 'role', after), true);
      case 'logins':
        return ofLogins(async (afterId) => {
          const found = (await auth.listLogins({ afterId, limit: PAGE, memberIds: [] })).logins;
          compared.logins += found.length;
          return found.map(({ memberId }) => memberId);
        }, false);
      case 'missing logins':
        return ofLogins(async (after) => {
          const ids = await idsAfter(tellers, 'member', after);
          compared.members += ids.length;
          return ids;
        }, true);
      default:
        return this.#groups.of(kind);
    }
  }

  /** Auth is read before those whose truth it is. */
  async #roles(ids: readonly string[]): Promise<RoleDrift[]> {
    if (ids.length === 0) return [];
    const { auth, tellers } = this.#context;
    const { roles: found } = await auth.listRoles({ afterId: '', limit: 0, roleIds: [...ids] });
    const copies = new Map(found.map((role) => [role.roleId, role]));
    const truths = await roles(tellers, ids);
    const carried = await policies(tellers, truths.values());
    return ids.flatMap((id) => roleDrift(id, copies.get(id), truths.get(id), carried) ?? []);
  }

  async #logins(ids: readonly string[]): Promise<LoginDrift[]> {
    if (ids.length === 0) return [];
    const { auth, tellers } = this.#context;
    const { logins } = await auth.listLogins({ afterId: '', limit: 0, memberIds: [...ids] });
    const copies = new Map(logins.map((login) => [login.memberId, login]));
    const [known, holding] = await Promise.all([members(tellers, ids), held(tellers, ids)]);
    // Last: of a role that is being deleted, holders may be told that have lost it by now.
    const settled = await settledRoles(tellers);
    return ids.flatMap((id) => loginDrift(id, copies.get(id), known.get(id), holding.get(id), settled) ?? []);
  }

  async #repairRoles(drifts: RoleDrift[]): Promise<void> {
    const { auth, tellers, websocket } = this.#context;
    if (drifts.length === 0) return;
    // It has this one as long as it has its data.
    const hasLostAll = !(await roles(tellers, [ADMIN])).has(ADMIN);
    let corrected = 0;
    for (const { roleId, version, kind, policies } of drifts) {
      if (hasLostAll) {
        this.findings.leave(kind, roleId, 'STORE_EMPTY');
        continue;
      }
      const request = { roleId, version, policies: policies ?? [], removed: policies === undefined };
      if (await this.findings.repair([kind], roleId, () => auth.correctRole(request))) corrected++;
    }
    if (corrected > 0) await websocket.narrowSockets({ operationId: '' });
  }

  async #repairLogins(drifts: LoginDrift[]): Promise<void> {
    // Who gets something comes first: then whoever loses the role `admin` is not the last administrator.
    const gives = ({ open, kinds }: LoginDrift): number => (open || kinds.includes('missing-role') ? 0 : 1);
    for (const drift of drifts.toSorted((a, b) => gives(a) - gives(b))) {
      if (drift.isUntold) this.findings.leave('extra-role', drift.memberId, 'STORE_EMPTY');
      const [kind] = drift.kinds;
      if (!kind) continue;
      if (kind === 'missing-login') this.findings.leave(kind, drift.memberId, 'LOGIN_NOT_FOUND');
      else if (kind === 'unknown-member') this.#unknown.push(drift);
      else await this.#correctLogin(drift);
    }
  }

  async #correctLogin({ memberId, version, kinds, loginId, open, roleIds }: LoginDrift): Promise<void> {
    const { auth, websocket } = this.#context;
    const request = { memberId, version, loginId, open, roles: roleIds && { roleIds } };
    if (!(await this.findings.repair(kinds, memberId, () => auth.correctLogin(request)))) return;
    if (open === false) await websocket.closeSockets({ operationId: '', memberId });
    else if (roleIds) await websocket.narrowSockets({ operationId: '', members: { memberIds: [memberId] } });
  }
}
