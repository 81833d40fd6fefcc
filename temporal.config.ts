/** The domains that orchestrate sagas. Each has a task queue of its name. */
export const DOMAINS = ['member'] as const;
export type Domain = (typeof DOMAINS)[number];
