-- A restore in place exchanges the volume of an instance. The one before is kept for a while, as the way back. A row stays when its
-- volume is gone: no number of a generation is given twice.
create table kept_volumes (
    instance_id   text not null references instances,
    generation    int not null check (generation > 0),
    node_id       text not null,
    restored_from text references backups,            -- what it was filled from; null: from nothing
    kept_at       timestamptz not null default now(), -- since when the instance runs on another
    remove_at     timestamptz,                        -- null: an operation is at work on it
    removed_at    timestamptz,
    primary key (instance_id, generation)
);
create index kept_volumes_due on kept_volumes (remove_at) where removed_at is null;

insert into operation_kinds values ('restore_in_place'), ('undo');
