-- Databases that were made together, such as those of a course, share the name of their class.
alter table instances add column class text not null default '';
create index instances_class on instances (owner_id, class) where class <> '';
