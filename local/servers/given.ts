import type { Secrets } from '../secrets.ts';
import type { Server } from './server.ts';

/** What may stay unsaid about a server of one's own. */
const OPTIONAL: Record<string, string | undefined> = { MUSUBI_TEMPORAL_NAMESPACE: 'default', MUSUBI_TEMPORAL_UI: undefined };

/**
 * The address of the user's own server, when the environment gives one: then none is started. Undefined when it does not.
 *
 * @param missing called with each part of an address that is missing (an S3 endpoint without its keys: ours would be refused there)
 */
export function givenAddress(
  server: Server,
  secrets: Secrets,
  env: NodeJS.ProcessEnv,
  missing: (name: string, why: string) => void,
): Record<string, string> | undefined {
  const [main = '', ...others] = Object.keys(server.address({ ports: {}, secrets }));
  const address = env[main];
  if (!address) return undefined;
  const given: Record<string, string> = { [main]: address };
  for (const name of others) {
    const value = env[name] || OPTIONAL[name];
    if (value !== undefined) given[name] = value;
    else if (!(name in OPTIONAL)) missing(name, `is missing: ${main} is set`);
  }
  return given;
}
