create table members (
  member_id       text primary key,
  -- As it was written; it is compared without regard to case. Unique in Auth, not here.
  login_id        text not null,
  display_name    text not null,
  email           text not null,
  status          text not null check (status in ('PENDING', 'ACTIVE', 'UPDATING', 'DELETING')),
  -- What CommitUpdate will apply.
  pending_changes jsonb check ((pending_changes is not null) = (status = 'UPDATING')),
  -- The job that alone may go on with this member: the semantic lock of its saga.
  lock_holder     text check ((lock_holder is null) = (status = 'ACTIVE')),
  version         bigint not null check (version > 0),
  -- Milliseconds, so that a time survives the way through JSON and back unchanged.
  created_at      timestamptz(3) not null,
  updated_at      timestamptz(3) not null
);
