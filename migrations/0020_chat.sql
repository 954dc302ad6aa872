-- Slack and Discord: who writes there, what came in, and the messages that MyDB keeps up to date there.

-- Who a person is on a chat service. Ids of teams and users never change, names do.
create table chat_identities (
    platform   text not null check (platform in ('slack', 'discord')),
    team       text not null,
    user_id    text not null,
    person_id  text not null references people,
    name       text not null default '',                          -- as the service shows it, for people to recognise
    how        text not null check (how in ('mail', 'code')),
    linked_at  timestamptz not null default now(),
    checked_at timestamptz not null default now(),                -- when the service was asked last, for those known by their mail address
    primary key (platform, team, user_id)
);
create index chat_identities_person on chat_identities (person_id);

-- One-time codes with which a person who is logged in to the portal proves who they are in chat.
create table link_codes (
    hash       bytea primary key, -- keyed, because codes are short
    person_id  text not null references people,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz,
    -- who typed it; the link counts once the person has confirmed it
    platform   text,
    team       text,
    user_id    text,
    name       text not null default ''
);
create table link_tries (
    platform text not null,
    team     text not null,
    user_id  text not null,
    at       timestamptz not null default now()
);
create index link_tries_user on link_tries (platform, team, user_id, at);

-- What came in, once each: the same event again has the same key. What people wrote is sealed, and forgotten when it was answered.
create table inbox (
    key         text primary key check (length(key) between 1 and 300),
    platform    text not null,
    team        text not null,
    user_id     text not null,
    kind        text not null check (kind in ('command', 'click', 'form')),
    sealed      bytea,
    received_at timestamptz not null default now(),
    answered_at timestamptz,
    person_id   text references people,
    answer      jsonb -- what was said first; never a secret
);
create index inbox_received on inbox (received_at);

-- The messages that MyDB keeps in chat. Each change of what one tells counts "wanted" up; "sent" is the count that people see.
create table chat_messages (
    id           text primary key,
    platform     text not null,
    team         text not null default '',
    channel      text not null default '',
    thread       text not null default '',
    user_id      text not null default '',  -- for whom it is
    private      boolean not null default false,
    kind         text not null check (kind in ('answer', 'status', 'approval')),
    content      jsonb,                     -- of an answer, a card; the others are rendered from the catalogue
    reply        bytea,                     -- sealed: where the service takes an answer for a few minutes
    operation_id text references operations,
    approval_id  text references approvals,
    inbox_key    text references inbox on delete set null,
    posted       text not null default '',  -- the message's id at the service, once it is there
    posted_in    text not null default '',  -- and its channel
    wanted       int not null default 1,
    sent         int not null default 0,
    state        text not null default 'pending' check (state in ('pending', 'posted', 'failed')),
    attempts     int not null default 0,
    last_error   text not null default '',
    busy_until   timestamptz,               -- a worker is sending it
    sent_at      timestamptz,
    created_at   timestamptz not null default now()
);
create index chat_messages_operation on chat_messages (operation_id) where operation_id is not null;
create index chat_messages_approval on chat_messages (approval_id) where approval_id is not null;
create index chat_messages_behind on chat_messages (id) where wanted > sent and state <> 'failed';
create index chat_messages_created on chat_messages (created_at);
