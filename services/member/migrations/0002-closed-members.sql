-- The job that deletes the member and has closed it to every other: they are refused, also while one still holds it.
alter table members add column closed_by text
  constraint closed_when_registered check (closed_by is null or status <> 'PENDING');
