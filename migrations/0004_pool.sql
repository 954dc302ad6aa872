-- Spares of the warm pool are instances that nobody owns yet: MyDB does, as a person who can never log in.
insert into people (id, login, name, disabled_at) values ('mydb', 'mydb', 'MyDB', now()) on conflict do nothing;

alter table instances
    drop constraint instances_state_check,
    add constraint instances_state_check check (state in ('spare', 'creating', 'ready', 'stopped', 'restoring', 'deleting', 'trashed', 'deleted', 'failed'));
create index instances_spare on instances (engine, version, size) where state = 'spare';
