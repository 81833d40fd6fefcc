-- A command is what clients ask for by REST; what an operation does is a step.
alter table operations rename column command to step;
