import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is made up once for a data folder and kept there, readable by its owner only. */
export interface Secrets {
  postgresPassword: string;
  s3AccessKeyId: string;
  s3SecretAccessKey: string;
  adminPassword: string;
  authMasterKey: string;
}

export const secretsPath = (dataDir: string) => join(dataDir, 'secrets.json');

export function loadSecrets(dataDir: string): Secrets {
  const path = secretsPath(dataDir);
  const kept: Partial<Secrets> = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  const secrets: Secrets = {
    postgresPassword: randomBytes(18).toString('base64url'),
    s3AccessKeyId: `MUSUBI${randomBytes(7).toString('hex').toUpperCase()}`,
    s3SecretAccessKey: randomBytes(30).toString('base64url'),
    adminPassword: randomBytes(15).toString('base64url'),
    authMasterKey: randomBytes(32).toString('base64'),
    ...kept,
  };
  // Renamed into place, so that a kill half way never leaves a file that locks the owner out of the data.
  writeFileSync(`${path}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return secrets;
}
