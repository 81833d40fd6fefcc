import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is made up once for a data folder and kept there, readable by its owner only. */
export interface Secrets {
  postgresPassword: string;
  mongodbPassword: string;
  redisPassword: string;
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

/** What earlier starts have kept in the folder: nothing before the first. */
export function keptSecrets(dataDir: string): Partial<Secrets> {
  const path = secretsPath(dataDir);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
}

/** Whether no start of the folder has been ready: then nobody has seen the admin's password. */
export const isFirstStart = (dataDir: string): boolean => !keptSecrets(dataDir).adminExists;

/** The secrets of a start: what is kept, what the environment says, and what is made up. */
export function secretsFor(kept: Partial<Secrets>, env: NodeJS.ProcessEnv): Secrets {
  const said = {
    ...(env.MUSUBI_ADMIN_LOGIN_ID && { adminLoginId: env.MUSUBI_ADMIN_LOGIN_ID }),
    ...(env.MUSUBI_ADMIN_PASSWORD && { adminPassword: env.MUSUBI_ADMIN_PASSWORD }),
  };
  return {
    postgresPassword: randomWord(),
    mongodbPassword: randomWord(),
    redisPassword: randomWord(),
    s3AccessKeyId: `MUSUBI${randomBytes(7).toString('hex').toUpperCase()}`,
    s3SecretAccessKey: randomWord(),
    adminLoginId: 'admin',
    adminPassword: randomWord(),
    adminExists: false,
    authMasterKey: randomBytes(32).toString('base64'),
    ...kept,
    ...(kept.adminExists ? {} : said),
    ...(env.MUSUBI_AUTH_MASTER_KEY && { authMasterKey: env.MUSUBI_AUTH_MASTER_KEY }),
  };
}

/** Keeps them for later starts, which may come without the environment of this one. The first master key stays: data is encrypted with it. */
export function keepSecrets(dataDir: string, secrets: Secrets): void {
  const path = secretsPath(dataDir);
  const { authMasterKey = secrets.authMasterKey } = keptSecrets(dataDir);
  // Renamed into place, so that a kill half way never leaves a file that locks the owner out of the data.
  writeFileSync(`${path}.new`, `${JSON.stringify({ ...secrets, authMasterKey }, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Remembers that the admin is registered. */
export function keepAdmin(dataDir: string): void {
  keepSecrets(dataDir, { ...(keptSecrets(dataDir) as Secrets), adminExists: true });
}

/** The same as the program `bootstrap` reads them. */
export const ofAdmin = ({ adminLoginId, adminPassword }: Secrets) => ({
  MUSUBI_ADMIN_LOGIN_ID: adminLoginId,
  MUSUBI_ADMIN_PASSWORD: adminPassword,
});

/** Auth's key as Auth reads it. */
export const ofAuth = ({ authMasterKey }: Secrets) => ({ MUSUBI_AUTH_MASTER_KEY: authMasterKey });
