-- What members can be in a group. A job takes what it changes (lock_holder), with what it will be kept aside (pending) until Auth goes
-- by it.
create table positions (
  position_id text primary key,
  group_id    text not null,
  name        text not null,
  -- Of those that every group has. Null: one of the group's own.
  kind        text check (kind in ('member', 'leader')),
  permissions jsonb not null check (jsonb_typeof(permissions) = 'array'),
  -- 0: it is being created, and others do not see it.
  version     bigint not null check (version >= 0),
  lock_holder text,
  pending     jsonb,
  created_at  timestamptz(3) not null,
  updated_at  timestamptz(3) not null,
  constraint change_held check ((lock_holder is null) = (pending is null)),
  constraint created_by_a_job check (version > 0 or lock_holder is not null)
);
create index positions_of_group on positions (group_id);
create unique index one_of_a_kind on positions (group_id, kind) where kind is not null;

-- Names that are taken in a group: those that positions have, and those that jobs are giving them.
create table names (
  group_id text not null,
  -- What makes the name one of its group (`nameKey`).
  key      text not null,
  owner_id text not null,
  primary key (group_id, key)
);
create index names_of on names (owner_id);

-- Who is bound to which position.
create table bindings (
  group_id    text not null,
  member_id   text not null,
  position_id text not null references positions,
  bound_at    timestamptz(3) not null,
  -- When it ends. Null: never.
  until       timestamptz(3),
  primary key (group_id, member_id, position_id)
);
create index bindings_by_position on bindings (position_id);
create index bindings_of_member on bindings (member_id);
-- What ends, and when.
create index bindings_ending on bindings (until) where until is not null;

-- The version of the aggregate "bindings", which is all that a member is bound to in a group. It outlives them: a version is never given
-- twice. Its row is also the lock that puts changes of them in a row.
create table binding_versions (
  group_id    text not null,
  member_id   text not null,
  -- 0: nothing was told of it yet.
  version     bigint not null check (version >= 0),
  lock_holder text,
  -- All that the member will be bound to there.
  pending     jsonb check (jsonb_typeof(pending) = 'array'),
  primary key (group_id, member_id),
  constraint change_held check ((lock_holder is null) = (pending is null)),
  constraint begun_by_a_job check (version > 0 or lock_holder is not null)
);
create index bindings_changing on binding_versions (group_id, lock_holder) where lock_holder is not null;
create index binding_versions_of_member on binding_versions (member_id);

-- Members that are being deleted, or are: nobody binds them to anything any more.
create table closed_members (
  member_id   text primary key,
  lock_holder text not null
);
