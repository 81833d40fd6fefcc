/** What npm, the terminal and this process's parent send for one Ctrl-C arrives within moments: only what is later is another. */
const ONE_REQUEST_MS = 2_000;

/**
 * Resolves, and aborts the signal, once this process is asked to stop: by SIGINT, SIGTERM, SIGHUP (the terminal was closed),
 * SIGQUIT, or the end of the `npm` command that it belongs to. Asked again, it calls `force`.
 */
export function stopRequest(force: () => void): { asked: Promise<void>; signal: AbortSignal } {
  const controller = new AbortController();
  const asked = Promise.withResolvers<void>();
  let first: number | undefined;
  const request = (): void => {
    if (first === undefined) {
      first = performance.now();
      controller.abort();
      asked.resolve();
    } else if (performance.now() - first > ONE_REQUEST_MS) force();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(name, request);
  process.on('disconnect', request);
  // Of a terminal that was closed there is nothing left to write to, and that must not end the stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return { asked: asked.promise, signal: controller.signal };
}
