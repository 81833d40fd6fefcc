import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Cursor } from './domain.ts';

// The events of a member: as they come to the store, and as they are kept in the member's stream.

/** A job's event on its way to sockets. */
export interface JobEvent {
  jobId: string;
  version: number;
  /** The job's owner. */
  memberId: string;
  /** The job as clients see it, as JSON text. */
  job: string;
  /** Of the span that received it; empty for none. */
  traceparent: string;
  /** When it happened, in milliseconds since 1970. */
  time: number;
}

/** Something that is told to one member, about itself. */
export interface OwnSaying {
  /** The frame's. */
  type: string;
  /** The frame's other fields, besides topic and cursor. */
  fields: Readonly<Record<string, string>>;
  /** What the member must be allowed to do to itself, to hear it. */
  needs: Action;
}

/** An event, and what a member is told of it. */
export interface OwnEvent {
  /** What it is about: its kind and ID. */
  about: string;
  version: number;
  memberId: string;
  sayings: readonly OwnSaying[];
  /** Of the span that received it; empty for none. */
  traceparent: string;
  /** When it happened, in milliseconds since 1970. */
  time: number;
}

/** An event of a job among a member's events. */
export type JobEntry = Omit<JobEvent, 'version'> & { cursor: Cursor };
/** Something else that concerns the member; the fields as JSON text. */
export type OwnEntry = Pick<OwnSaying, 'type' | 'needs'> & { cursor: Cursor; fields: string; traceparent: string; time: number };
/** An event among a member's events. */
export type Entry = JobEntry | OwnEntry;

/** An event among a member's events, of what its stream has of it: names and values by turns. */
export function toEntry(cursor: Cursor, values: string[]): Entry {
  const given: Record<string, string> = {};
  for (let i = 0; i + 1 < values.length; i += 2) given[values[i] ?? ''] = values[i + 1] ?? '';
  const { type, id = '', owner = '', job = '', traceparent = '', time = '', fields = '{}', needs = '' } = given;
  const entry = { cursor, traceparent, time: Number(time) };
  return type === undefined ? { ...entry, jobId: id, memberId: owner, job } : { ...entry, type, fields, needs: needs as Action };
}
