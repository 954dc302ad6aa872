-- The kinds of operations are rows, so that a later migration that brings one adds a row and need not know all the others.
create table operation_kinds (kind text primary key);
insert into operation_kinds select unnest(array['create', 'restart', 'stop', 'start', 'rotate', 'resize', 'share', 'unshare', 'account', 'transfer', 'extend',
    'describe', 'delete', 'undelete', 'purge', 'expire', 'heal', 'backup', 'verify', 'restore', 'pin', 'unpin']);
alter table operations
    drop constraint operations_kind_check,
    add constraint operations_kind foreign key (kind) references operation_kinds;
