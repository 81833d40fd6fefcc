-- A job takes what it changes (lock_holder), with the change kept aside (pending) until Auth goes by it.
alter table roles drop constraint roles_version_check;
alter table roles
  -- 0: it is being created, and others do not see it.
  add constraint version_known check (version >= 0),
  add column lock_holder text,
  add column pending jsonb,
  add constraint change_held check ((lock_holder is null) = (pending is null)),
  add constraint created_by_a_job check (version > 0 or lock_holder is not null);

alter table policies
  -- The simple form that it was written in; null: it was written as Cedar.
  add column simple jsonb,
  add column version bigint not null default 1 check (version >= 0),
  add column created_at timestamptz(3) not null default now(),
  add column updated_at timestamptz(3) not null default now(),
  add column lock_holder text,
  add column pending jsonb,
  add constraint change_held check ((lock_holder is null) = (pending is null)),
  add constraint created_by_a_job check (version > 0 or lock_holder is not null);

alter table member_role_versions
  add column lock_holder text,
  add column pending jsonb,
  add constraint change_held check ((lock_holder is null) = (pending is null));

-- Names that are taken: those that roles and policies have, and those that jobs are giving them.
create table names (
  kind     text not null check (kind in ('role', 'policy')),
  -- What makes the name one of its kind (`nameKey`).
  key      text not null,
  owner_id text not null,
  primary key (kind, key)
);
create index names_of on names (owner_id);
insert into names (kind, key, owner_id) select 'role', lower(normalize(name, nfkc)), role_id from roles on conflict do nothing;
insert into names (kind, key, owner_id) select 'policy', lower(normalize(name, nfkc)), policy_id from policies on conflict do nothing;

-- Those whose roles are being changed: a role that is deleted must not be given to anybody meanwhile.
create index member_roles_changing on member_role_versions (member_id) where lock_holder is not null;

-- The next start puts the built-in roles in place again, and tells of them: before, nobody was told.
update roles set definition_hash = '' where built_in;
