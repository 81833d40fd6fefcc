import { MusubiError, storeFull, storeUnavailable } from '../errors.ts';

/** The first words of replies that speak of the command or its keys. Any other reply speaks of the server itself. */
const COMMAND: ReadonlySet<string> = new Set([
  'ERR',
  'WRONGTYPE',
  'NOSCRIPT',
  'CROSSSLOT',
  'EXECABORT',
  'BUSYKEY',
  'BUSYGROUP',
  'NOGROUP',
]);
/** Replies of the server about itself that begin with ERR all the same; older servers put those of a script's commands behind it. */
const ERR_OF_SERVER =
  /^ERR (max number of clients|(AUTH|invalid password|Client sent AUTH)|Error running script.*\b(OOM|MISCONF|READONLY|NOPERM|NOREPLICAS)\b)/;
/** The client's own words for a server that can't be reached, or nodes of which it does not know which has the keys. */
const LOST =
  /Connection is closed|Command aborted|Command timed out|Stream isn't writeable|Failed to refresh slots cache|Too many Cluster redirections|same slots allocation group|Cluster isn't ready|startup nodes/;

/** What callers see of an error of the client: a server that is away, or refuses us, is UNAVAILABLE (`STORE_FULL` when its memory is). */
export function toRedisError(error: unknown): unknown {
  if (error instanceof MusubiError || !(error instanceof Error)) return error;
  // What was refused inside a MULTI says why; EXEC itself says only that something was.
  const { previousErrors = [] } = error as { previousErrors?: unknown[] };
  for (const reason of previousErrors) {
    const known = toRedisError(reason);
    if (known !== reason) return known;
  }
  if (!isServerTrouble(error)) return error;
  return /\bOOM\b/.test(error.message) ? storeFull(error) : storeUnavailable(error);
}

function isServerTrouble({ name, message, ...rest }: Error): boolean {
  if (name === 'ReplyError') {
    const word = message.split(' ', 1)[0] ?? '';
    return COMMAND.has(word) ? ERR_OF_SERVER.test(message) : true;
  }
  return name === 'MaxRetriesPerRequestError' || 'syscall' in rest || LOST.test(message);
}
