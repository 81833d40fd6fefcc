import { connectPeers } from '#platform/grpc/peers.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import type { Tellers } from './truth.ts';

const TOLD = { member: StateServiceService, role: StateServiceService };

/** Connects to those who tell what members and roles are. */
export const connectTellers = (connecting: Parameters<typeof connectPeers<typeof TOLD>>[1]): Tellers =>
  connectPeers(TOLD, connecting);
