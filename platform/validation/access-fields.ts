import { z } from 'zod';
import { LONGEST_NAME, line, lineOrNothing, text } from './fields.ts';

// What fields of roles and policies may hold, whoever takes them (fields.ts).

export const roleName = line(LONGEST_NAME).meta({ examples: ['Editor'] });

export const roleDescription = lineOrNothing(500).meta({ examples: ['May change what others wrote'] });

/** The built-in role that somebody who can log in must always have. */
export const ADMIN = 'admin';

/** How many roles a member holds at most. */
export const MOST_ROLES = 100;
/** How many policies a role carries at most. */
export const MOST_POLICIES = 100;

/** How many characters a policy has at most, as Cedar. */
const LONGEST_POLICY = 10_000;

export const cedarText = text(1, LONGEST_POLICY).meta({
  description: 'One Cedar policy (https://docs.cedarpolicy.com); it applies to those who hold a role that carries it',
  examples: ['permit (principal, action == Musubi::Action::"member.read", resource);'],
});

const MOST = 100;
const listOf = (one: z.ZodString) => z.array(one).min(1, 'must name at least one').max(MOST, `must name at most ${MOST}`);

export const policyEffect = z.enum(['allow', 'deny'], { error: 'must be allow or deny' });

/** An action's name, as the schema has them, or all. */
const ACTION = /^(?:\*|[a-z]+(?:-[a-z]+)*(?:\.[a-z]+(?:-[a-z]+)*)+)$/;

export const policyActions = listOf(z.string().regex(ACTION, 'must be an action, as member.read, or *')).meta({
  description: '`*`: all; or what is done, as `x-action` of the operations names it',
  examples: [['member.read']],
});

const UUID = '[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}';
/** One thing is a type's name in lower case, and its ID: a UUID, or the word of what is built in. */
const THING = new RegExp(`^(?:\\*|own|[a-z]+:${UUID}|(?:role|policy):[A-Za-z]+(?:[.-][A-Za-z]+){0,7})$`);
const EXAMPLE = 'member:0199a7c0-5c3e-7d4a-9b1f-2e6d8c0a4f71';

export const policyResources = listOf(
  z
    .string()
    .regex(THING, `must be *, own, or one thing by its type and ID, as ${EXAMPLE} or role:admin`)
    // IDs are read in either case.
    .toLowerCase(),
).meta({
  description:
    '`*`: all; `own`: what the member owns; `member:ID`, `role:ID`, `policy:ID` or `job:ID`: that thing, and all that is in it (in a role are those who hold it)',
  examples: [['own'], [EXAMPLE, 'role:admin']],
});
