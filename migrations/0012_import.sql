-- Databases are brought in from outside: from a source, whose password is kept only as long as the operation goes on, or from a file.
insert into operation_kinds values ('import');
alter table secrets
    drop constraint secrets_kind_check,
    add constraint secrets_kind_check check (kind in ('server', 'owner', 'init_sql', 'next', 'source') or kind like 'account:%');

-- Files that people have uploaded. What they hold is in the store of backups, sealed, as uploads/<id>.
create table uploads (
    id         text primary key,
    person_id  text not null references people,
    name       text not null default '',
    engine     text not null default '', -- empty: SQL text of which nobody knows for what
    format     text not null default '',
    packing    text not null default '', -- how the file came, such as gzip
    size       bigint, -- bytes as sent; null while it arrives
    unpacked   bigint, -- bytes
    whole      boolean, -- null: only the engine's tool can tell
    created_at timestamptz not null default now(),
    arrived_at timestamptz,
    ends_at    timestamptz not null,
    constraint uploads_arrived check ((arrived_at is null) = (size is null))
);
create index uploads_person on uploads (person_id, id);
create index uploads_ends on uploads (ends_at);
