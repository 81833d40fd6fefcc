import { connectPeers } from '#platform/grpc/peers.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import type { Tellers } from './truth.ts';

const TOLD = {
  member: StateServiceService,
  role: StateServiceService,
  group: StateServiceService,
  position: StateServiceService,
};

/** Connects to those who tell what members, roles, groups and positions are. */
export const connectTellers = (connecting: Parameters<typeof connectPeers<typeof TOLD>>[1]): Tellers =>
  connectPeers(TOLD, connecting);
