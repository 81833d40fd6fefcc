import { PAGE } from '#platform/state.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { GroupCopy, StandingCopy } from '#proto/musubi/auth/v1/auth.ts';
import type { SagaPeers } from '../../activities/index.ts';
import { type EverybodyPeers, everybody } from './everybody.ts';
import type { Findings, Pass } from './findings.ts';
import { type GroupDrift, groupDrift, type StandingDrift, standingDrift, strayDrift } from './group-drift.ts';
import { bindings, groups, idsAfter, members, memberships, positions, type Tellers } from './truth.ts';
import { Unknown, type UnknownPeers } from './unknown.ts';

// How what Auth has of groups is made to agree with what Group and Position have.

export interface GroupPeers extends UnknownPeers, EverybodyPeers {
  auth: Pick<SagaPeers['auth'], 'listLogins' | 'listGroups' | 'listStandings' | 'correctGroup' | 'correctStanding'> &
    UnknownPeers['auth'];
  websocket: Pick<SagaPeers['websocket'], 'narrowSockets'>;
  tellers: Tellers;
}

/** In this order: a path follows from that of the group above, and who is in a group is kept where there is one. */
export const GROUP_PASSES = [
  'groups',
  'absent groups',
  'absent positions',
  'standings',
  'absent memberships',
  'absent bindings',
  'everybody',
] as const;

/** A member may be in a thousand groups: of so many members an answer is short enough. */
const MEMBERS_AT_A_TIME = 20;

export class GroupPasses {
  readonly #peers: GroupPeers;
  readonly #findings: Findings;
  readonly #unknown: Unknown;

  constructor(peers: GroupPeers, findings: Findings) {
    this.#peers = peers;
    this.#findings = findings;
    this.#unknown = new Unknown(peers, findings);
  }

  of(kind: (typeof GROUP_PASSES)[number]): Pass {
    const { auth, tellers } = this.#peers;
    const { compared } = this.#findings.report;
    switch (kind) {
      case 'groups':
        return this.#ofGroups(async (afterId) => {
          const found = (await auth.listGroups({ afterId, limit: PAGE, groupIds: [] })).groups;
          compared.groups += found.length;
          return found.map(({ groupId }) => groupId);
        }, false);
      case 'absent groups':
        return this.#ofGroups((after) => idsAfter(tellers, 'group', after), true);
      case 'absent positions':
        return {
          page: (after) => idsAfter(tellers, 'position', after),
          differing: async (ids) => (await this.#lacking(ids)).flatMap(({ lacked }) => lacked),
          repair: async (ids) => this.#repairGroups((await this.#lacking(ids)).map(({ drift }) => drift)),
        };
      case 'standings':
        return this.#ofStandings(
          async (afterId) => {
            const { logins } = await auth.listLogins({ afterId, limit: PAGE, memberIds: [] });
            return logins.map(({ memberId }) => memberId);
          },
          { byMember: true },
        );
      case 'absent memberships':
        return this.#ofStandings(async (after) => {
          const ids = await idsAfter(tellers, 'membership', after);
          compared.memberships += ids.length;
          return ids;
        });
      case 'absent bindings':
        return this.#ofStandings((after) => idsAfter(tellers, 'bindings', after));
      case 'everybody':
        return everybody(this.#peers, this.#findings);
    }
  }

  /** What one of the stores knows nothing of, at the end of a pass. */
  async settleUnknown(): Promise<void> {
    await this.#unknown.settle();
  }

  #ofGroups(page: Pass['page'], absent: boolean): Pass {
    const driftsIn = async (ids: string[]): Promise<GroupDrift[]> =>
      (await this.#groups(ids)).filter(({ kinds }) => kinds.includes('absent-group') === absent);
    return {
      page,
      differing: async (ids) => (await driftsIn(ids)).map(({ groupId }) => groupId),
      repair: async (ids) => this.#repairGroups(await driftsIn(ids)),
    };
  }

  /** @param more positions that are looked for in them, besides those that Auth has */
  async #groups(ids: readonly string[], more: readonly string[] = []): Promise<GroupDrift[]> {
    if (ids.length === 0) return [];
    const { tellers } = this.#peers;
    // Auth is read before those whose truth it is.
    const copies = await this.#copies(ids);
    const known = await groups(tellers, ids);
    const held = [...copies.values()].flatMap((copy) => copy.positions.map(({ positionId }) => positionId));
    const [told, above] = await Promise.all([
      positions(tellers, [...new Set([...held, ...more])]),
      this.#copies([...new Set([...known.values()].flatMap(({ parentId }) => parentId ?? []))]),
    ]);
    return ids.flatMap((id) => {
      const truth = known.get(id);
      return groupDrift(id, copies.get(id), truth, above.get(truth?.parentId ?? '')?.path, told) ?? [];
    });
  }

  async #copies(ids: readonly string[]): Promise<Map<string, GroupCopy>> {
    const found: GroupCopy[] = [];
    for (let at = 0; at < ids.length; at += PAGE) {
      const groupIds = ids.slice(at, at + PAGE);
      found.push(...(await this.#peers.auth.listGroups({ afterId: '', limit: 0, groupIds })).groups);
    }
    return new Map(found.map((copy) => [copy.groupId, copy]));
  }

  /** The groups that lack some of these positions in Auth, or are not there at all. */
  async #lacking(positionIds: readonly string[]): Promise<{ drift: GroupDrift; lacked: string[] }[]> {
    const told = await positions(this.#peers.tellers, positionIds);
    const drifts = await this.#groups([...new Set([...told.values()].map(({ groupId }) => groupId))], positionIds);
    return drifts.flatMap((drift) => {
      if (drift.kinds.includes('orphan-positions'))
        return [{ drift, lacked: positionIds.filter((id) => told.get(id)?.groupId === drift.groupId) }];
      const wanted = (drift.positions ?? []).map(({ positionId }) => positionId);
      const lacked = positionIds.filter((id) => told.get(id)?.groupId === drift.groupId && wanted.includes(id));
      return drift.kinds.includes('group-positions') && lacked.length > 0 ? [{ drift, lacked }] : [];
    });
  }

  async #repairGroups(drifts: GroupDrift[]): Promise<void> {
    if (drifts.length === 0) return;
    // It has this one as long as it has its data.
    const hasLostAll = !(await groups(this.#peers.tellers, [ROOT])).has(ROOT);
    const real: GroupDrift[] = [];
    for (const drift of drifts) {
      if (hasLostAll) for (const kind of drift.kinds) this.#findings.leave(kind, drift.groupId, 'STORE_EMPTY');
      else if (drift.removed) this.#unknown.group(drift);
      else if (drift.kinds.length > 0) real.push(drift);
      if (drift.untold && !hasLostAll) this.#unknown.positionsOf(drift.groupId, drift.untold);
    }
    await this.#correctGroups(real);
  }

  /** One that can't be put right before another one is, as that is above it, comes after it. */
  async #correctGroups(drifts: readonly GroupDrift[]): Promise<void> {
    const { auth, websocket } = this.#peers;
    let corrected = 0;
    for (let waiting = drifts, before = 0; waiting.length > 0 && waiting.length !== before; ) {
      before = waiting.length;
      const still: GroupDrift[] = [];
      for (const drift of waiting) {
        const { groupId, version, kinds, parentId, findable, positions: grants } = drift;
        const request = { groupId, version, parentId, findable, positions: grants && { grants }, removed: false };
        if (await this.#findings.repair(kinds, groupId, () => auth.correctGroup(request))) corrected++;
        else still.push(drift);
      }
      waiting = still;
    }
    if (corrected > 0) await websocket.narrowSockets({ operationId: '' });
  }

  /** @param byMember what comes in pages are members, of which all standings are compared; else only what Auth lacks is looked for */
  #ofStandings(page: Pass['page'], { byMember = false } = {}): Pass {
    const lacks = ({ kinds }: StandingDrift): boolean => kinds.some((kind) => kind.startsWith('missing'));
    const idOf = ({ groupId, memberId }: StandingDrift): string => `${groupId}.${memberId}`;
    const differing = async (ids: string[]): Promise<StandingDrift[]> => {
      if (!byMember) return (await this.#standings({ ids, memberIds: [] })).filter(lacks);
      const found: StandingDrift[] = [];
      for (let at = 0; at < ids.length; at += MEMBERS_AT_A_TIME)
        found.push(...(await this.#standings({ ids: [], memberIds: ids.slice(at, at + MEMBERS_AT_A_TIME) })));
      return found;
    };
    return {
      page,
      differing: async (ids) => (await differing(ids)).map(idOf),
      repair: async (ids) => {
        const drifts = await this.#standings({ ids, memberIds: [] });
        await this.#repairStandings(byMember ? drifts : drifts.filter(lacks));
      },
    };
  }

  async #standings(which: { ids: string[]; memberIds: string[] }): Promise<StandingDrift[]> {
    if (which.ids.length + which.memberIds.length === 0) return [];
    const { auth, tellers } = this.#peers;
    const { standings } = await auth.listStandings(which);
    const idOf = ({ groupId, memberId }: Pick<StandingCopy, 'groupId' | 'memberId'>): string => `${groupId}.${memberId}`;
    const inGroups = standings.filter(({ groupId }) => groupId !== '');
    const ids = inGroups.map(idOf);
    const memberIds = [...new Set(standings.map(({ memberId }) => memberId))];
    const [known, those, within, bound] = await Promise.all([
      members(tellers, memberIds),
      groups(tellers, [...new Set(inGroups.map(({ groupId }) => groupId))]),
      memberships(tellers, ids),
      bindings(tellers, ids),
    ]);
    const named = [...standings, ...bound.values()].flatMap(({ positionIds }) => positionIds);
    // Last: one that is being deleted was taken from all before.
    const there = await positions(tellers, [...new Set(named)]);
    return standings.flatMap((standing) => {
      if (standing.groupId === '') return strayDrift(standing, known.get(standing.memberId), there) ?? [];
      const id = idOf(standing);
      const truth = {
        member: known.get(standing.memberId),
        group: those.get(standing.groupId),
        membership: within.get(id),
        bindings: bound.get(id),
      };
      return standingDrift(standing, truth, there) ?? [];
    });
  }

  async #repairStandings(drifts: readonly StandingDrift[]): Promise<void> {
    if (drifts.length === 0) return;
    const { auth, tellers, websocket } = this.#peers;
    // It tells of all that were ever bound to something: who makes a group is bound to its first position.
    const hasLostBindings = (await idsAfter(tellers, 'bindings', '')).length === 0;
    /** How much of each member was put right here: its version has grown by that. */
    const corrected = new Map<string, number>();
    for (const { groupId, memberId, version: before, kinds, isMember, isInvited, positionIds, isUntold } of drifts) {
      const id = `${groupId}.${memberId}`;
      const lost = hasLostBindings && kinds.find((kind) => kind === 'extra-binding' || kind === 'unknown-position');
      if (isUntold) for (const kind of kinds) this.#findings.leave(kind, id, 'STORE_OLDER');
      else if (lost) this.#findings.leave(lost, id, 'STORE_EMPTY');
      else {
        const version = before + (corrected.get(memberId) ?? 0);
        const request = { groupId, memberId, version, isMember, isInvited, positions: positionIds && { positionIds } };
        if (await this.#findings.repair(kinds, id, () => auth.correctStanding(request)))
          corrected.set(memberId, (corrected.get(memberId) ?? 0) + 1);
      }
    }
    const memberIds = [...corrected.keys()];
    if (memberIds.length > 0) await websocket.narrowSockets({ operationId: '', members: { memberIds } });
  }
}
