-- Every read model has the same first columns, so that one statement writes any of them (services/query/projections/projection.ts).
alter table members rename column member_id to id;
alter table members rename column deleted_at to gone_at;
alter table members alter column visible drop not null;
alter index members_deleted rename to members_gone;

alter table member_roles rename column member_id to id;
alter table member_roles alter column role_ids drop not null;
alter table member_roles add column gone_at timestamptz;
update member_roles set gone_at = applied_at, role_ids = null where role_ids = '{}';
alter table member_roles drop column applied_at;
create index member_roles_gone on member_roles (gone_at) where gone_at is not null;
