import type { z } from 'zod';
import { address, oneOf } from '../process/config.ts';
import { callerKeys } from './callers.ts';

/** What a program reads that serves gRPC. */
export const grpcShape = {
  MUSUBI_GRPC_LISTEN: address(),
  /** The public keys of those who may call. */
  MUSUBI_CALLERS: callerKeys(),
  /** Whether whoever reaches the port is told what is served there. */
  MUSUBI_GRPC_REFLECTION: oneOf(['on', 'off']).default('off'),
};

export type GrpcConfig = z.output<z.ZodObject<typeof grpcShape>>;
