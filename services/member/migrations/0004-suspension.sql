-- A suspended member can not log in. Why is among the pending changes of the job that suspends it, until it is suspended.
alter table members
  add column suspended_at timestamptz(3),
  add column suspension_reason text,
  -- Whether the job that has closed the member lets it go in the end: who comes meanwhile waits.
  add column reopens boolean not null default false;
alter table members drop constraint status_known, drop constraint lock_known, drop constraint changes_pending;
alter table members
  add constraint status_known check (status in ('PENDING', 'ACTIVE', 'SUSPENDED')),
  add constraint lock_known check (lock in ('REGISTERING', 'UPDATING', 'DELETING', 'SUSPENDING', 'REINSTATING')),
  add constraint suspended_since check ((suspended_at is not null) = (status = 'SUSPENDED')),
  add constraint reason_of_suspension check (suspension_reason is null or status = 'SUSPENDED'),
  add constraint changes_pending check ((pending_changes is not null) = coalesce(lock in ('UPDATING', 'SUSPENDING'), false)),
  add constraint reopens_when_closed check (closed_by is not null or not reopens);
