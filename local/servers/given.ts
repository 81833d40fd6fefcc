import type { Secrets } from '../secrets.ts';
import type { Server } from './server.ts';

/** What may stay unsaid about a server of one's own. */
const OPTIONAL: Record<string, string | undefined> = { MUSUBI_TEMPORAL_NAMESPACE: 'default', MUSUBI_TEMPORAL_UI: undefined };

/**
 * The address of the user's own server, when the environment gives one: then none is started. Undefined when it does not.
 * A part of an address (an S3 endpoint without its keys) is an error, because keys of ours would be refused there.
 */
export function givenAddress(server: Server, secrets: Secrets, env: NodeJS.ProcessEnv): Record<string, string> | undefined {
  const [main = '', ...others] = Object.keys(server.address({ ports: {}, secrets }));
  const address = env[main];
  if (!address) return undefined;
  const given: Record<string, string> = { [main]: address };
  for (const name of others) {
    const value = env[name] ?? OPTIONAL[name];
    if (value !== undefined) given[name] = value;
    else if (!(name in OPTIONAL)) throw new Error(`${main} is set, so ${name} must be set too`);
  }
  return given;
}
