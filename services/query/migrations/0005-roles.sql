create table roles (
  id          text collate "C" primary key,
  version     bigint not null,
  -- Set once it is gone. The row stays for a while so that an old event that comes late does not revive it.
  gone_at     timestamptz,
  -- Ordered as people would: without regard to case and accents at first (Unicode collation).
  name        text collate "und-x-icu",
  description text,
  built_in    boolean,
  policy_ids  text[],
  created_at  timestamptz(3),
  updated_at  timestamptz(3)
);
create index roles_listed on roles (name, id) where gone_at is null;
create index roles_gone on roles (gone_at) where gone_at is not null;

create table policies (
  id         text collate "C" primary key,
  version    bigint not null,
  gone_at    timestamptz,
  name       text collate "und-x-icu",
  cedar      text,
  simple     jsonb,
  built_in   boolean,
  created_at timestamptz(3),
  updated_at timestamptz(3)
);
create index policies_listed on policies (name, id) where gone_at is null;
create index policies_gone on policies (gone_at) where gone_at is not null;

-- Who holds a role.
create index member_roles_by_role on member_roles using gin (role_ids);
