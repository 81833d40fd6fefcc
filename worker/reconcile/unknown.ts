import { MusubiError } from '#platform/errors.ts';
import { PAGE } from '#platform/state.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { newId } from '#platform/validation/id.ts';
import { type Grant, PositionKind } from '#proto/musubi/position/v1/position.ts';
import type { SagaPeers } from '../../activities/index.ts';
import type { Findings } from './findings.ts';
import type { GroupDrift } from './group-drift.ts';
import { deletedGroups, idsAfter, members, memberships, positions, type Tellers } from './truth.ts';

export interface UnknownPeers {
  auth: Pick<SagaPeers['auth'], 'listStandings' | 'correctGroup' | 'forgetGroups'>;
  position: Pick<SagaPeers['position'], 'removeAllPositions' | 'restorePositions'>;
  websocket: Pick<SagaPeers['websocket'], 'narrowSockets'>;
  tellers: Tellers;
}

/**
 * Groups of which one of the services knows nothing, as it may be an older copy than the others. What becomes of them depends on what others
 * say, and on how many there are, so they are kept until the end of a pass.
 *
 * A group that Group does not know is removed only where Group says that it was deleted: then it is Auth, or Position, that is older. Else it
 * stays, and is told of. What Position does not know of a group that is there is made again.
 */
export class Unknown {
  readonly #peers: UnknownPeers;
  readonly #findings: Findings;
  #groups: GroupDrift[] = [];
  #untold: { groupId: string; grants: readonly Grant[] }[] = [];

  constructor(peers: UnknownPeers, findings: Findings) {
    this.#peers = peers;
    this.#findings = findings;
  }

  /** Group does not know it. */
  group(drift: GroupDrift): void {
    this.#groups.push(drift);
  }

  /** Position knows of no position of it. @param grants what Auth has of them */
  positionsOf(groupId: string, grants: readonly Grant[]): void {
    this.#untold.push({ groupId, grants });
  }

  async settle(): Promise<void> {
    const [gone, untold] = [this.#groups, this.#untold];
    [this.#groups, this.#untold] = [[], []];
    if (gone.length > 0) await this.#settleGroups(gone);
    if (untold.length > 0) await this.#settlePositions(untold);
  }

  async #settleGroups(drifts: readonly GroupDrift[]): Promise<void> {
    const { tellers, websocket } = this.#peers;
    const deleted = await deletedGroups(
      tellers,
      drifts.map(({ groupId }) => groupId),
    );
    // The whole organisation is there again as soon as Group has begun anew.
    const hasOthers = (await idsAfter(tellers, 'group', '')).some((id) => id !== ROOT);
    let removed = 0;
    for (const drift of drifts) {
      const isEnding = deleted.get(drift.groupId);
      // Auth has removed it, and the job is about to remove its positions.
      if (isEnding && drift.version === 0) continue;
      if (isEnding === undefined)
        for (const kind of drift.kinds) this.#findings.leave(kind, drift.groupId, hasOthers ? 'STORE_OLDER' : 'STORE_EMPTY');
      else if (await this.#findings.repair(drift.kinds, drift.groupId, () => this.#remove(drift))) removed++;
    }
    if (removed > 0) await websocket.narrowSockets({ operationId: '' });
  }

  /** Does what its deletion would do. */
  async #remove({ groupId, version }: GroupDrift): Promise<{ corrected: boolean }> {
    const { auth, position } = this.#peers;
    const copy = { groupId, version, parentId: undefined, findable: undefined, positions: undefined, removed: true };
    if (version > 0 && !(await auth.correctGroup(copy)).corrected) return { corrected: false };
    const [operation, groupIds] = [newId(), [groupId]];
    const asked = { operationId: `${operation}/position.removeAllPositions`, groupIds };
    const removed = await unlessBusy(() => position.removeAllPositions(asked));
    if (!removed) return { corrected: version > 0 };
    const { positionIds } = removed;
    await auth.forgetGroups({ operationId: `${operation}/auth.forgetGroups`, groupIds, positionIds });
    return { corrected: true };
  }

  async #settlePositions(untold: readonly { groupId: string; grants: readonly Grant[] }[]): Promise<void> {
    const { tellers, position } = this.#peers;
    // That of the whole organisation are there again as soon as Position has begun anew.
    const told = await positions(tellers, await idsAfter(tellers, 'position', ''));
    const known = new Set([...told.values()].map(({ groupId }) => groupId).filter((id) => id !== ROOT)).size;
    const why = known === 0 ? 'STORE_EMPTY' : untold.length > known ? 'TOO_MANY' : undefined;
    for (const { groupId, grants } of untold) {
      if (why) this.#findings.leave('group-positions', groupId, why);
      else
        await this.#findings.repair(['group-positions'], groupId, async () => {
          const leaderIds = await this.#leadersOf(groupId, grants);
          // Nobody who leads is passed over: what Auth has of it then would be taken away, also where its job is undone.
          if (!leaderIds) return { corrected: false };
          const restored = await unlessBusy(() => position.restorePositions({ groupId, positions: [...grants], leaderIds }));
          return { corrected: restored?.restored ?? false };
        });
    }
  }

  /** Who leads a group, as Auth has it, and is in it still; undefined: a job is at one of them, which ends. */
  async #leadersOf(groupId: string, grants: readonly Grant[]): Promise<string[] | undefined> {
    const { auth, tellers } = this.#peers;
    const leading = grants.find(({ kind }) => kind === PositionKind.POSITION_KIND_LEADER)?.positionId;
    const found: string[] = [];
    for (let after = `${groupId}.`, isLast = leading === undefined; !isLast; ) {
      const page = await idsAfter(tellers, 'membership', after);
      const ids = page.filter((id) => id.startsWith(`${groupId}.`));
      isLast = ids.length < PAGE;
      after = ids.at(-1) ?? after;
      if (ids.length === 0) break;
      const { standings } = await auth.listStandings({ ids, memberIds: [] });
      const leaders = standings.filter(({ positionIds }) => leading !== undefined && positionIds.includes(leading));
      const memberIds = leaders.map(({ memberId }) => memberId);
      // Read after Auth: who goes is held by its job, or has gone; who is being deleted is in no group any more, and may be again.
      const [within, known] = await Promise.all([
        memberships(
          tellers,
          memberIds.map((id) => `${groupId}.${id}`),
        ),
        members(tellers, memberIds),
      ]);
      for (const memberId of memberIds) {
        const { isMember = false, changing = false } = within.get(`${groupId}.${memberId}`) ?? {};
        if (changing || known.get(memberId)?.changing) return undefined;
        // Of the whole organisation everybody is a member, whatever Group has lost.
        if (isMember || groupId === ROOT) found.push(memberId);
      }
    }
    return found;
  }
}

/** What Position answers; undefined: a job is at it, which ends, and what is left is found by the next run. */
async function unlessBusy<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof MusubiError && error.code === 'POSITION_BUSY') return undefined;
    throw error;
  }
}
