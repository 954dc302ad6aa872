-- The outbox: what MyDB has to tell people. A row is written in the transaction that it tells of, one for each recipient, and a
-- job of its own delivers it. Neither data nor errors ever hold a secret.
create table notifications (
    id           text primary key,
    dedupe       text not null unique, -- what happened, and whom it is told: the same thing is told once
    kind         text not null,        -- picks the words, and says what data holds
    channel      text not null check (channel in ('mail')),
    audience     text not null,        -- why this recipient: as owner, pi, contact, requester, admin or person
    person_id    text references people,
    name         text not null default '',
    address      text not null default '', -- empty when none is known; then the row was never pending
    data         jsonb not null default '{}',
    instance_id  text references instances,
    operation_id text references operations,
    fallback_of  text references notifications on delete set null, -- the one that could not be delivered
    state        text not null default 'pending' check (state in ('pending', 'sent', 'failed', 'cancelled')),
    attempts     int not null default 0,
    last_error   text not null default '',
    not_before   timestamptz not null default now(), -- attempts begin then, and are given up two days later
    created_at   timestamptz not null default now(),
    sent_at      timestamptz,
    constraint notifications_sent check ((state = 'sent') = (sent_at is not null)),
    constraint notifications_address check (address <> '' or state = 'cancelled')
);
create index notifications_state on notifications (state, id);
create index notifications_instance on notifications (instance_id);
create index notifications_person on notifications (person_id);
create index notifications_created on notifications (created_at);
create index notifications_fallback on notifications (fallback_of) where fallback_of is not null;
