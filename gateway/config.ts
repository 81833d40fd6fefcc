import { z } from 'zod';
import { callerKey, callerShape } from '#platform/grpc/callers.ts';
import { peerShape } from '#platform/grpc/peers.ts';
import { address, type ConfigCheck, httpUrl, oneOf, origins, Secret } from '#platform/process/config.ts';
import { email, loginId, password } from '#platform/validation/fields.ts';
import { calledBy } from '../services/may-call.ts';
import { temporalShape } from '../worker/config.ts';
import { TrustedProxies } from './http/source.ts';

export const shape = {
  ...temporalShape,
  ...peerShape({ ...calledBy('sagas'), ...calledBy('gateway') }),
  ...callerShape('gateway'),
  /** Where clients reach the REST API. */
  MUSUBI_HTTP_LISTEN: address().default({ host: '127.0.0.1', port: 8080 }),
  /** The address under which clients know the gateway; default: the one that the client asked. */
  MUSUBI_PUBLIC_URL: httpUrl().optional(),
  /** The proxies in front of the gateway, as addresses or CIDR ranges: what they say in `X-Forwarded-For` is believed. */
  MUSUBI_TRUSTED_PROXIES: z
    .string()
    .transform((value, context): TrustedProxies => {
      try {
        return new TrustedProxies(value.split(',').map((range) => range.trim()));
      } catch (error) {
        context.addIssue(`must be addresses or CIDR ranges, as in 10.0.0.0/8,fd00::1: ${(error as Error).message}`);
        return z.NEVER;
      }
    })
    .default(new TrustedProxies([])),
  /** The origins of web pages that may use the API, besides the gateway's own. */
  MUSUBI_ALLOWED_ORIGINS: origins(),
  /** Whether this process also works on the commands it starts, which makes them faster (eager start). */
  MUSUBI_GATEWAY_WORKER: oneOf(['on', 'off']).default('on'),
  // Needed only where it does: see `check`.
  MUSUBI_SAGAS_CALLER_KEY: callerKey('sagas').optional(),
};

export const check: ConfigCheck<typeof shape> = (config): Record<string, string> =>
  config.MUSUBI_GATEWAY_WORKER === 'on' && !config.MUSUBI_SAGAS_CALLER_KEY
    ? { MUSUBI_SAGAS_CALLER_KEY: 'is missing: sagas are worked on here, unless MUSUBI_GATEWAY_WORKER is off' }
    : {};

export const bootstrapShape = {
  ...temporalShape,
  ...peerShape(calledBy('bootstrap')),
  ...callerShape('bootstrap'),
  MUSUBI_ADMIN_LOGIN_ID: loginId.default('admin'),
  /** Absent: one is made and printed once. */
  MUSUBI_ADMIN_PASSWORD: password.transform((text) => new Secret(text)).optional(),
  /** Default: the login, where that is an e-mail address, or `admin@musubi.invalid`. */
  MUSUBI_ADMIN_EMAIL: email.optional(),
};
