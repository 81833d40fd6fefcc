create extension if not exists pg_trgm;

-- One row. A read model that was made anew has a new generation, and with it a new consumer group, which
-- reads the events from their beginning (services/query/projector.ts).
create table read_model (
  only_row   boolean primary key default true check (only_row),
  generation uuid not null default gen_random_uuid()
);
insert into read_model default values;

create table members (
  member_id    text collate "C" primary key,
  version      bigint not null,
  -- Whether queries show it: its registration is finished, and it is not gone.
  visible      boolean not null,
  -- Set once it is gone. The row stays for a while so that an old event that comes late does not revive it.
  deleted_at   timestamptz,
  login_id     text,
  -- Ordered as people would: without regard to case and accents at first (Unicode collation).
  display_name text collate "und-x-icu",
  email        text,
  -- Display name, login and e-mail, one a line, in the form that search words are brought to (domain.ts).
  search       text,
  created_at   timestamptz(3),
  updated_at   timestamptz(3)
);
create index members_listed on members (display_name, member_id) where visible;
create index members_search on members using gin (search gin_trgm_ops) where visible;
create index members_deleted on members (deleted_at) where deleted_at is not null;

create table member_roles (
  member_id  text collate "C" primary key,
  version    bigint not null,
  role_ids   text[] not null,
  applied_at timestamptz not null default now()
);
create index member_roles_empty on member_roles (applied_at) where role_ids = '{}';
