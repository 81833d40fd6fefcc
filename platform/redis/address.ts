import type { Secret } from '../process/config.ts';

/** Where a Redis server is; or some nodes of a Redis Cluster, which tell of all others. */
export interface RedisAddress {
  isCluster: boolean;
  nodes: { host: string; port: number }[];
  username?: string;
  password?: string;
  tls: boolean;
}

const DEFAULT_PORT = 6379;
const PARTS = /^(rediss?)(\+cluster)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^@/?#]+)/;
const HOST = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/;

/** @param url that has been checked: `redis://…`, or `redis+cluster://user:password@host:port,host:port` */
export function parseRedisUrl(url: Secret): RedisAddress {
  const [, scheme, cluster, username, password, hosts = ''] = PARTS.exec(url.reveal()) ?? [];
  const nodes = hosts.split(',').map((text) => {
    const [, ip, name, port] = HOST.exec(text) ?? [];
    return { host: ip ?? name ?? '', port: Number(port ?? DEFAULT_PORT) };
  });
  return {
    isCluster: cluster !== undefined,
    nodes,
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
    tls: scheme === 'rediss',
  };
}
