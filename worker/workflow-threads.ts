import { createRequire } from 'node:module';
import type { Worker as Thread, WorkerOptions } from 'node:worker_threads';
import type { Logger } from '#platform/process/log.ts';

const threads = createRequire(import.meta.url)('node:worker_threads') as typeof import('node:worker_threads');
const SDKS_THREAD = /[\\/]workflow-worker-thread(\.js)?$/;
const LEAN = ['--import', new URL('./lean-workflow-thread.ts', import.meta.url).href];

export interface ThreadOptions {
  log: Logger;
  /** How long one workflow may keep its thread busy, ms: the SDK's own limit is 5,000. */
  stuckAfterMs?: number;
  checkEveryMs?: number;
}

let lean = false;

/**
 * Makes the SDK's workflow threads lean: without a stack trace for each promise and without a time limit for each call
 * into the sandbox, which together are a third of what a workflow costs. The SDK has an option for neither
 * (temporalio/sdk-typescript#1587 is the first, seen from a user's side), so its threads load a module of ours first.
 *
 * In place of the time limits each thread is watched: one that is busy for too long is logged with the workflow that it
 * works on, and ended. Its worker fails with it, and the host begins another session (host.ts); that workflow's task is
 * tried again, as after the SDK's own time limit. Call it once before workers are made; again does nothing.
 */
export function makeWorkflowThreadsLean(options: ThreadOptions): void {
  if (lean) return;
  lean = true;
  const Original = threads.Worker;
  class WorkflowThread extends Original {
    constructor(file: string | URL, given: WorkerOptions = {}) {
      const ours = SDKS_THREAD.test(String(file));
      super(file, ours ? { ...given, execArgv: [...(given.execArgv ?? []), ...LEAN] } : given);
      if (ours) watch(this, options);
    }
  }
  threads.Worker = WorkflowThread as typeof threads.Worker;
}

/** A message of the SDK to its thread, as far as it tells what the thread works on. */
interface Request {
  requestId: number;
  input: { type: string; runId?: string; options?: { info?: { runId: string; workflowId: string; workflowType: string } } };
}

function watch(thread: Thread, { log, stuckAfterMs = 5_000, checkEveryMs = 1_000 }: ThreadOptions): void {
  const names = new Map<string, { workflowId: string; workflowType: string }>();
  /** By request, the run that it is about. */
  const asked = new Map<number, string>();
  const postMessage = thread.postMessage.bind(thread);
  thread.postMessage = (message: Request, ...transfer: unknown[]) => {
    const { type, runId, options } = message.input;
    const info = options?.info;
    if (info) names.set(info.runId, { workflowId: info.workflowId, workflowType: info.workflowType });
    const about = info?.runId ?? runId;
    if (about !== undefined) asked.set(message.requestId, about);
    if (about !== undefined && type === 'dispose-workflow') names.delete(about);
    (postMessage as (...given: unknown[]) => void)(message, ...transfer);
  };
  let answered = false;
  thread.on('message', ({ requestId }: { requestId: number }) => {
    answered = true;
    asked.delete(requestId);
  });

  let before = thread.performance.eventLoopUtilization();
  let busyMs = 0;
  const check = setInterval(() => {
    const now = thread.performance.eventLoopUtilization();
    const { idle, active } = thread.performance.eventLoopUtilization(now, before);
    before = now;
    // A thread with much to do answers between its tasks. After a pause of the whole process one look counts for two at most.
    const isBusy = asked.size > 0 && !answered && idle === 0 && active > 0;
    busyMs = isBusy ? busyMs + Math.min(active, 2 * checkEveryMs) : 0;
    answered = false;
    if (busyMs < stuckAfterMs) return;
    clearInterval(check);
    const [runId = ''] = asked.values();
    const words = 'a workflow does not give its thread back: the thread is ended, and what it works on begins again';
    log.error({ runId, ...names.get(runId), busyMs: Math.round(busyMs) }, words);
    thread.terminate().catch((error: unknown) => log.error({ err: error }, 'the thread could not be ended'));
  }, checkEveryMs);
  check.unref();
  thread.once('exit', () => clearInterval(check));
}
