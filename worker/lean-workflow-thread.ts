import v8 from 'node:v8';
import vm from 'node:vm';

// Loaded into the SDK's workflow threads before the SDK (see workflow-threads.ts). Written for @temporalio/worker 1.23.

// The SDK records a stack trace for every promise of a workflow, and compiles a function for each to do so: a fifth of a
// workflow's CPU. It goes on without where this hook cannot be had, and says so on the console, which we know.
v8.promiseHooks.createHook = () => {
  throw new Error('stack traces of workflows are off: MUSUBI_WORKFLOW_STACK_TRACES=on brings them back');
};
const { warn } = console;
console.warn = (...words: unknown[]) => {
  if (!String(words[0]).startsWith('v8.promiseHooks.createHook is not available')) warn(...words);
};

// With a time limit each call into the sandbox starts and joins an operating system's thread: a tenth of a workflow's CPU.
// One watch over the whole thread stands in for them.
const { runInContext } = vm.Script.prototype;
vm.Script.prototype.runInContext = function (this: vm.Script, context, options) {
  return runInContext.call(this, context, { ...options, timeout: undefined }) as unknown;
};
