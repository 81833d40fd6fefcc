import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is made up once for a data folder and kept there, readable by its owner only. */
export interface Secrets {
  postgresPassword: string;
  s3AccessKeyId: string;
  s3SecretAccessKey: string;
  adminLoginId: string;
  adminPassword: string;
  /** From then on the environment can't change the two above: they are what the admin was registered with. */
  adminExists: boolean;
  authMasterKey: string;
}

/**
 * Made up, with 24 letters and digits (142 bits) behind a letter: wherever it is pasted or handed on, in a URL, a command line or a
 * configuration, it is what it is, and no option, number or escape.
 */
export function randomWord(): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const any = `${letters}0123456789`;
  const pick = (from: string) => from[randomInt(from.length)];
  return pick(letters) + Array.from({ length: 24 }, () => pick(any)).join('');
}

export const secretsPath = (dataDir: string) => join(dataDir, 'secrets.json');

/**
 * What the environment says is kept like what is made up: the next start may come without it.
 *
 * @throws when MUSUBI_AUTH_MASTER_KEY is no key
 */
export function loadSecrets(dataDir: string, env: NodeJS.ProcessEnv): Secrets {
  const path = secretsPath(dataDir);
  const kept: Partial<Secrets> = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  const secrets: Secrets = {
    postgresPassword: randomWord(),
    s3AccessKeyId: `MUSUBI${randomBytes(7).toString('hex').toUpperCase()}`,
    s3SecretAccessKey: randomWord(),
    adminLoginId: 'admin',
    adminPassword: randomWord(),
    adminExists: false,
    authMasterKey: givenMasterKey(env) ?? randomBytes(32).toString('base64'),
    ...kept,
  };
  if (!secrets.adminExists) {
    secrets.adminLoginId = env.MUSUBI_ADMIN_LOGIN_ID || secrets.adminLoginId;
    secrets.adminPassword = env.MUSUBI_ADMIN_PASSWORD || secrets.adminPassword;
  }
  keepSecrets(dataDir, secrets);
  // Another key than the kept one is tried, but does not replace it: Auth may refuse it.
  return { ...secrets, authMasterKey: givenMasterKey(env) ?? secrets.authMasterKey };
}

/** Remembers that the admin is registered. */
export function keepAdmin(dataDir: string): void {
  const kept = JSON.parse(readFileSync(secretsPath(dataDir), 'utf8')) as Secrets;
  if (!kept.adminExists) keepSecrets(dataDir, { ...kept, adminExists: true });
}

function keepSecrets(dataDir: string, secrets: Secrets): void {
  const path = secretsPath(dataDir);
  // Renamed into place, so that a kill half way never leaves a file that locks the owner out of the data.
  writeFileSync(`${path}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function givenMasterKey({ MUSUBI_AUTH_MASTER_KEY: key }: NodeJS.ProcessEnv): string | undefined {
  if (!key) return undefined;
  if (Buffer.from(key, 'base64').length !== 32) throw new Error('MUSUBI_AUTH_MASTER_KEY must be the base64 of 32 bytes');
  return key;
}
