import type { z } from 'zod';
import { type Caller, callerKey, keyVariable, newCallerKeys } from '#platform/grpc/callers.ts';
import { oneOf } from '#platform/process/config.ts';
import { type App, UsageError } from '#platform/process/program.ts';
import { CALLERS, type CallerName, SERVICES } from './catalogue.ts';

type KeyShape = { [Name in CallerName as ReturnType<typeof keyVariable<Name>>]: z.ZodOptional<ReturnType<typeof callerKey>> };

/** The settings of the task `callers`. */
export const shape = {
  /** The caller that it is about; all by default. */
  MUSUBI_CALLERS_NAME: oneOf(CALLERS).optional(),
  /** The service that a token shall be for; without it, keys are made. */
  MUSUBI_CALLERS_SERVICE: oneOf(Object.keys(SERVICES)).optional(),
  ...(Object.fromEntries(CALLERS.map((name) => [keyVariable(name), callerKey(name).optional()])) as KeyShape),
};

type Config = z.output<z.ZodObject<typeof shape>>;

/** Standard output is for the keys, or the token. */
export const prints = true;

/** The operator's task: makes keys for callers, as environment variables, or a token for a tool that speaks gRPC. */
export async function start({ config }: App<Config>): Promise<'done'> {
  const { MUSUBI_CALLERS_NAME: name, MUSUBI_CALLERS_SERVICE: service } = config;
  if (service === undefined) {
    const keys = newCallerKeys(name === undefined ? CALLERS : [name]);
    process.stdout.write(
      Object.entries(keys)
        .map(([variable, value]) => `${variable}=${value}\n`)
        .join(''),
    );
    return 'done';
  }
  const variable = keyVariable(name ?? 'operator');
  const caller: Caller | undefined = config[variable];
  if (!caller) throw new UsageError(`give the key in ${variable}`);
  process.stdout.write(`${await caller.token(service)}\n`);
  return 'done';
}
