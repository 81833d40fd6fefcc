import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import {
  type ConfigCheck,
  ConfigError,
  httpUrl,
  loadConfig,
  oneOf,
  processShape,
  programShape,
} from '#platform/process/config.ts';
import { configOf, environmentOf, givenAs, ofProgram } from '#platform/process/program.ts';
import * as gateway from '../gateway/config.ts';
import { passwordViolation } from '../services/auth/domain.ts';
import { SERVICES } from '../services/catalogue.ts';
import * as relay from '../services/relay/config.ts';
import * as worker from '../worker/config.ts';
import type { MusubiProcess } from './layouts.ts';
import { cacheRoot } from './places.ts';
import { addressVariables, listenVariables, PROGRAMS } from './programs.ts';
import { ofAdmin, ofAuth, type Secrets } from './secrets.ts';
import { givenAddress } from './servers/given.ts';
import type { Server } from './servers/server.ts';

interface Configuration {
  shape: z.ZodRawShape;
  check?: ConfigCheck<z.ZodRawShape>;
}

type NameOf = (variable: string) => string;

/** What each program reads, and judges when it starts: here it is judged before anything is. */
export const CONFIGURATIONS: Record<string, Configuration> = {
  ...Object.fromEntries(await Promise.all(Object.keys(SERVICES).map(configurationOfService))),
  ...{ gateway, worker },
  relay: relay as Configuration,
  bootstrap: { shape: gateway.bootstrapShape },
};

async function configurationOfService(name: string): Promise<[string, Configuration]> {
  return [name, (await import(`../services/${name}/config.ts`)) as Configuration];
}

/** What no program reads (yet), but this launcher. */
const LAUNCHER: z.ZodRawShape = {
  MUSUBI_CACHE: z
    .string()
    .refine(() => isWritable(cacheRoot()), 'cannot be written to')
    .optional(),
  MUSUBI_OPENSEARCH_URL: httpUrl().optional(),
  MUSUBI_S3_ENDPOINT: httpUrl().optional(),
  MUSUBI_S3_ACCESS_KEY_ID: z.string().optional(),
  MUSUBI_S3_SECRET_ACCESS_KEY: z.string().optional(),
  MUSUBI_TEMPORAL_UI: httpUrl().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl().optional(),
  OTEL_TRACES_SAMPLER: oneOf(
    ['', 'parentbased_'].flatMap((parent) => ['always_on', 'always_off', 'traceidratio'].map((kind) => parent + kind)),
  ).optional(),
};

/** How long a server may keep silent, and how often: it, or this machine, may only be busy. What it refuses is said at once. */
const SILENCE_MS = 10_000;
const SILENCES = 3;
/** Longer than the time-outs of one `reach`. */
const REACH_MS = 8_000;

export interface Wanted {
  servers: readonly Server[];
  processes: readonly MusubiProcess[];
  dataDir: string;
  /** What earlier starts have kept in it. */
  kept: Partial<Secrets>;
  secrets: Secrets;
  /** The keys of this start's callers, by variable. */
  callerKeys: Record<string, string>;
  env: NodeJS.ProcessEnv;
  /** Extra variables of every process. */
  extraEnv: Record<string, string>;
}

export interface Found {
  /** The servers that are ours to start. */
  own: Server[];
  /** The servers of the user's own. */
  others: Server[];
  /** Their addresses. */
  given: Record<string, string>;
  /** Variables of ours that nothing will read. */
  unread: string[];
}

/**
 * Judges the environment before anything is fetched, made or started, and asks the servers that it gives.
 *
 * @throws ConfigError that lists every variable that is wrong; if there is none, every server that cannot be used
 */
export async function checkEnvironment(wanted: Wanted): Promise<Found> {
  const { servers, processes, secrets, callerKeys, env, extraEnv } = wanted;
  const programs = processes.flatMap((each) => each.programs);
  const wrong = new Wrong();
  const given = new Map<Server, Record<string, string>>();
  for (const server of servers) {
    const address = givenAddress(server, secrets, env, wrong.note);
    if (address) given.set(server, address);
  }
  const own = servers.filter((server) => !given.has(server));
  const addresses: Record<string, string> = Object.assign({}, ...given.values());

  wrong.judge({ shape: { ...LAUNCHER, ...processShape } }, env);
  noteSecrets(wanted, own, wrong);
  // The preferred ports stand in for those chosen later, which no variable gives.
  const ports = Object.fromEntries(PROGRAMS.map((each) => [each.name, each.ports]));
  const ours = own.map((server) => server.address({ ports: server.ports, secrets }));
  const all = Object.assign({ ...env }, addresses, ...ours, addressVariables(ports), ofAuth(secrets), callerKeys, extraEnv);
  for (const name of programs) wrong.judgeProgram(name, { ...all, ...listenVariables([name], ports), ...ofAdmin(secrets) });
  if (programs.length > 0) wrong.judgeProgram('bootstrap', { ...all, ...ofAdmin(secrets) });
  wrong.refuse('The environment is not right, so nothing was started:');

  // Without programs nothing uses these servers, so they are not asked.
  const ofAll = programs.length > 0 ? [...given] : [];
  const ofOne = programs.flatMap((name) => ownAddresses(name, servers, secrets, env));
  await Promise.all([...ofAll, ...ofOne].map(([server, address, nameOf]) => reach(server, address, wrong, nameOf)));
  wrong.refuse('What the environment gives cannot be used, so nothing was started:');
  return { own, others: [...given.keys()], given: addresses, unread: unread(env, extraEnv, Object.keys(callerKeys)) };
}

/** What is wrong, by variable: of several reasons the first. */
class Wrong {
  readonly #reasons = new Map<string, string>();

  readonly note = (name: string, why: string): void => {
    if (!this.#reasons.has(name)) this.#reasons.set(name, why);
  };

  judge({ shape, check }: Configuration, env: NodeJS.ProcessEnv): void {
    try {
      loadConfig(shape, env, check);
    } catch (error) {
      this.blame(error);
    }
  }

  judgeProgram(name: string, env: NodeJS.ProcessEnv): void {
    try {
      configOf(name, CONFIGURATIONS[name] as Configuration, env);
    } catch (error) {
      this.blame(error);
    }
  }

  blame(error: unknown, nameOf: NameOf = (variable) => variable): void {
    if (!(error instanceof ConfigError)) throw error;
    for (const [name, why] of error.wrong) this.note(nameOf(name), why);
  }

  refuse(title: string): void {
    if (this.#reasons.size > 0) throw new ConfigError(title, [...this.#reasons]);
  }
}

export function configurationOf(program: string): Configuration {
  const own = CONFIGURATIONS[program];
  return { ...own, shape: { ...programShape, ...own?.shape } };
}

/** Judges the secrets: the admin's password by Auth's rule, the master key by the one that the data was encrypted with. */
function noteSecrets({ env, dataDir, secrets, kept }: Wanted, own: readonly Server[], { note }: Wrong): void {
  const weakness = kept.adminExists ? undefined : passwordViolation(secrets.adminPassword);
  if (weakness) note('MUSUBI_ADMIN_PASSWORD', weakness.message);
  const key = env.MUSUBI_AUTH_MASTER_KEY;
  const isOurs = own.some(({ name }) => name === 'mongodb');
  if (isOurs && kept.adminExists && key && key !== kept.authMasterKey)
    note(
      'MUSUBI_AUTH_MASTER_KEY',
      `is not the one that the data in ${dataDir} is encrypted with: unset it, or start with --fresh`,
    );
}

/** The servers of which only this program is given the address, by variables of its own. */
function ownAddresses(name: string, servers: readonly Server[], secrets: Secrets, env: NodeJS.ProcessEnv) {
  const seen = environmentOf(name, env);
  const nameOf: NameOf = (variable) => givenAs(name, variable, env);
  return servers.flatMap((server): [Server, Record<string, string>, NameOf][] => {
    const address = givenAddress(server, secrets, seen, () => {});
    const isOwn = Object.keys(address ?? {}).some(
      (variable) => variable in configurationOf(name).shape && nameOf(variable) !== variable,
    );
    return address && isOwn ? [[server, address, nameOf]] : [];
  });
}

/** @param nameOf the variable that gave a part of the address */
async function reach(
  server: Server,
  address: Record<string, string>,
  wrong: Wrong,
  nameOf: NameOf = (variable) => variable,
): Promise<void> {
  const begun = performance.now();
  for (let tries = 1; ; tries++) {
    try {
      await Promise.race([server.reach(address), silence()]);
      return;
    } catch (error) {
      if (error instanceof ConfigError) return wrong.blame(error, nameOf);
      const reason = reachReason(error);
      const isSilence = /timed out|time-?out|deadline|it does not answer/i.test(reason);
      if (isSilence && (tries < SILENCES || performance.now() - begun < SILENCE_MS)) continue;
      wrong.note(
        nameOf(Object.keys(address)[0] ?? ''),
        `${server.title} cannot be used there: ${reason}; unset it, and npm start starts its own`,
      );
      return;
    }
  }
}

async function silence(): Promise<never> {
  await sleep(REACH_MS, undefined, { ref: false });
  throw new Error('it does not answer');
}

/** Why a server was not reached. Errors of a connection that was tried at several addresses say nothing themselves. */
function reachReason(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reachReason))].join('; ');
  const { message = '', cause } = error as { message?: string; cause?: unknown };
  return cause && /^fetch failed$/.test(message) ? reachReason(cause) : message || String(error);
}

/** MUSUBI_ variables that have no effect: misspelt ones, and those that the launcher sets itself. */
function unread(env: NodeJS.ProcessEnv, extraEnv: Record<string, string>, made: readonly string[]): string[] {
  const ofAll = [LAUNCHER, processShape].flatMap((shape) => Object.keys(shape));
  const ofOne = Object.keys(CONFIGURATIONS).flatMap((program) =>
    Object.keys(configurationOf(program).shape).flatMap((name) => [name, ofProgram(program, name)]),
  );
  const known = new Set([...ofAll, ...ofOne]);
  for (const { name, ports } of PROGRAMS) {
    const its = { [name]: ports };
    for (const decided of Object.keys({ ...addressVariables(its), ...listenVariables([name], its) })) known.delete(decided);
  }
  for (const use of ['GRPC', 'HTTP']) known.delete(`MUSUBI_${use}_LISTEN`);
  for (const name of made) known.delete(name);
  return Object.keys(env).filter((name) => /^MUSUBI_/.test(name) && !known.has(name) && !(name in extraEnv));
}

function isWritable(path: string): boolean {
  const nearest = existsSync(path) ? path : dirname(path);
  if (!existsSync(nearest)) return isWritable(nearest);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return statSync(nearest).isDirectory();
  } catch {
    return false;
  }
}
