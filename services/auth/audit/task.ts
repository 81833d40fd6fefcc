import { z } from 'zod';
import { callerShape } from '#platform/grpc/callers.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { peerShape } from '#platform/grpc/peers.ts';
import { type App, TaskError } from '#platform/process/program.ts';
import { calledBy } from '../../may-call.ts';
import { check } from './check.ts';

const { auth: CONTRACT } = calledBy('operator');

/** The settings of the task `audit`. */
export const shape = {
  ...peerShape({ auth: CONTRACT }),
  ...callerShape('operator'),
  /** A head that an earlier check has printed, which must still be there. */
  MUSUBI_AUDIT_HEAD: z
    .string()
    .regex(/^\d{1,15}:[\w-]{43}$/, 'must be the head that an earlier check has printed, as 12:rTq…')
    .transform((text) => {
      const [sequence = '', hash = ''] = text.split(':');
      return { sequence: Number(sequence), hash };
    })
    .optional(),
};

/** What was found, on standard output: one line. */
export const prints = true;

/** Longer than any check takes. */
const TIMEOUT_MS = 24 * 3_600_000;

/** The operator's task: looks whether the audit is whole. @throws when it is broken */
export async function start({ config, lifecycle }: App<z.output<z.ZodObject<typeof shape>>>): Promise<'done'> {
  const auth = connectPeer(config.MUSUBI_AUTH_ADDRESS, CONTRACT, lifecycle, () =>
    config.MUSUBI_OPERATOR_CALLER_KEY.token('auth'),
  );
  const { events, head, broken } = await check(auth.tellAuditChain({}, { timeoutMs: TIMEOUT_MS }), config.MUSUBI_AUDIT_HEAD);
  const at = `audit: ${events} entries, head ${head.sequence}:${head.hash}`;
  process.stdout.write(`${at}, ${broken === undefined ? 'whole' : `broken: ${broken}`}\n`);
  if (broken !== undefined) throw new TaskError(`the audit is broken: ${broken}`);
  return 'done';
}
