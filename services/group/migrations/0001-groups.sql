-- Groups within groups. A job takes what it changes (lock_holder), with the change kept aside (pending) until Auth goes by it.
create table groups (
  group_id    text primary key,
  -- Null: it is the whole organisation.
  parent_id   text references groups,
  name        text not null,
  description text not null,
  visibility  text not null check (visibility in ('open', 'request', 'invitation')),
  -- Its own set: of each its name, and the IDs by which it is carried.
  tags        jsonb not null default '[]' check (jsonb_typeof(tags) = 'array'),
  -- What it carries of the set of the group that it is in.
  tag_ids     text[] not null default '{}',
  -- Null: it is not archived itself.
  archived_at timestamptz(3),
  -- 0: it is being created, and others do not see it.
  version     bigint not null check (version >= 0),
  lock_holder text,
  pending     jsonb,
  created_at  timestamptz(3) not null,
  updated_at  timestamptz(3) not null,
  constraint only_the_root_is_in_none check ((parent_id is null) = (group_id = 'root')),
  constraint in_itself check (parent_id <> group_id),
  constraint change_held check ((lock_holder is null) = (pending is null)),
  constraint created_by_a_job check (version > 0 or lock_holder is not null)
);
create index groups_within on groups (parent_id, group_id);
create index groups_held on groups (lock_holder) where lock_holder is not null;
-- Where groups are about to come.
create index groups_coming on groups ((pending->>'parentId')) where pending->>'change' = 'move';

-- Groups that were deleted, and with which version. So of one that is unknown it is told whether it is gone, or whether this is an older copy.
create table deleted_groups (
  group_id   text primary key,
  version    bigint not null,
  -- Null: an operator has given it up.
  deleted_at timestamptz(3)
);

-- Jobs that are about to hold groups with all that is below them, in the order in which they came: nothing is begun there any more.
create table closings (
  job_id   text primary key,
  place    bigint not null generated always as identity,
  group_id text not null references groups on delete cascade
);
create index closings_of on closings (group_id);

-- Names that are taken within a group: those that groups in it have, and those that jobs are giving them.
create table names (
  parent_id text not null,
  -- A hash of what makes the name one of its kind (`nameKey`): in that form a name can be too long for an index.
  key       bytea not null,
  owner_id  text not null,
  primary key (parent_id, key)
);
create index names_of on names (owner_id);

-- Who is in which group, and who has asked to be, or is invited. Its version outlives all of that: a version is never given twice.
create table memberships (
  group_id    text not null references groups on delete cascade,
  member_id   text not null,
  -- Null: the member is not in it, or not any more.
  joined_at   timestamptz(3),
  -- What it carries of the group's own set.
  tag_ids        text[] check (tag_ids is null or joined_at is not null),
  -- When it asked to be let in, and what it said to those who decide. Where they have declined: when, and why, for that one to read.
  requested_at   timestamptz(3),
  message        text check (message is null or requested_at is not null),
  declined_at    timestamptz(3) check (declined_at is null or requested_at is not null),
  decline_reason text check (decline_reason is null or declined_at is not null),
  -- When it was invited, by whom, and until when it can accept.
  invited_at  timestamptz(3),
  inviter_id  text,
  until       timestamptz(3),
  -- When the member was put out of it, and why, for that one to read.
  expelled_at timestamptz(3) check (expelled_at is null or joined_at is null),
  reason      text check (reason is null or expelled_at is not null),
  -- 0: a job is about to make the first membership.
  version     bigint not null check (version >= 0),
  lock_holder text,
  pending     jsonb,
  primary key (group_id, member_id),
  constraint one_at_most check (num_nonnulls(joined_at, requested_at, invited_at) <= 1),
  constraint invited check (num_nonnulls(invited_at, inviter_id, until) in (0, 3)),
  constraint change_held check ((lock_holder is null) = (pending is null)),
  constraint begun_by_a_job check (version > 0 or lock_holder is not null)
);
create index memberships_of on memberships (member_id, group_id);
create index memberships_due on memberships (until) where until is not null;
create index memberships_held on memberships (lock_holder) where lock_holder is not null;

-- Members that are being deleted, or are, each with the job that closed it: nothing begins any more that changes what they are to groups.
create table closed_members (
  member_id   text primary key,
  lock_holder text not null
);

-- Jobs that change what another service keeps of a group, as its positions: while they hold it, it is not archived, nor deleted.
create table holds (
  job_id   text primary key,
  group_id text not null references groups on delete cascade
);
create index holds_of on holds (group_id);

-- Members that jobs add to groups, line by line, with what became of each: for clients to read as long as the job is kept.
create table additions (
  job_id    text not null,
  line      int not null,
  group_id  text not null,
  member_id text not null,
  -- Null: it is not its turn yet. `held` while it is; then `added`, `already`, or the code by which it was refused.
  outcome   text,
  begun_at  timestamptz(3) not null,
  primary key (job_id, line)
);
create index additions_to on additions (group_id);
create index additions_begun on additions (begun_at, job_id);

-- When all members of before there were groups had been taken in; no row: they have not been.
create table taken_in (at timestamptz(3) not null);
