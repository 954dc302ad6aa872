-- What each node says it has, for the comparison of the cluster with the catalogue. The cluster's API knows no volumes.
create table inventories (
    node_id text primary key,
    volumes jsonb not null, -- those with an instance's label: name and instance id
    at      timestamptz not null -- before the node was asked
);

-- The newest end of a task that the samples up to this one have counted: the cluster notes ends a moment after they happen.
alter table samples add column last_end timestamptz;

create index samples_at on samples using brin (at); -- old ones are looked for by time alone
