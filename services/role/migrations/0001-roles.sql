create table roles (
  role_id         text primary key,
  name            text not null,
  description     text not null,
  built_in        boolean not null,
  -- Of a built-in role: tells whether the release that runs defines it otherwise. Null: made by users.
  definition_hash text check ((definition_hash is not null) = built_in),
  version         bigint not null check (version > 0),
  created_at      timestamptz(3) not null,
  updated_at      timestamptz(3) not null
);

create table policies (
  policy_id text primary key,
  name      text not null,
  cedar     text not null,
  built_in  boolean not null
);

create table role_policies (
  role_id   text not null references roles on delete cascade,
  policy_id text not null references policies on delete cascade,
  primary key (role_id, policy_id)
);
create index role_policies_by_policy on role_policies (policy_id);

-- Who holds which role.
create table member_roles (
  member_id text not null,
  role_id   text not null references roles,
  primary key (member_id, role_id)
);
create index member_roles_by_role on member_roles (role_id);

-- The version of the aggregate "member-roles". It outlives the roles: a version is never given twice.
-- Its row is also the lock that puts changes of one member's roles in a row.
create table member_role_versions (
  member_id text primary key,
  version   bigint not null check (version > 0)
);
