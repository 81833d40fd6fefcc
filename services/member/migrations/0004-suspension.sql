-- A suspended member can not log in. Why is kept from the first step of the suspension on, and told once it is suspended.
alter table members
  add column suspended_at timestamptz(3),
  add column suspension_reason text,
  -- Whether the job that has closed the member lets it go in the end: who comes meanwhile waits.
  add column reopens boolean not null default false;
alter table members drop constraint status_known, drop constraint lock_known;
alter table members
  add constraint status_known check (status in ('PENDING', 'ACTIVE', 'SUSPENDED')),
  add constraint lock_known check (lock in ('REGISTERING', 'UPDATING', 'DELETING', 'SUSPENDING', 'REINSTATING')),
  add constraint suspended_since check ((suspended_at is not null) = (status = 'SUSPENDED')),
  add constraint reason_of_suspension
    check (suspension_reason is null or status = 'SUSPENDED' or lock is not distinct from 'SUSPENDING'),
  add constraint reopens_when_closed check (closed_by is not null or not reopens);
