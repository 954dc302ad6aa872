-- The portal's logins, as people see and revoke them. What a browser's cookie stands for is in sessions, under a token that changes with
-- each login and each confirmation; its data names the row here.
create table logins (
    id           text primary key,
    person_id    text not null references people,
    device       text not null,        -- browser and system, as the browser tells
    address      text not null,        -- the latest
    started_at   timestamptz not null,
    seen_at      timestamptz not null, -- to the minute
    confirmed_at timestamptz not null, -- when the password was given last
    ended_at     timestamptz           -- by logging out, or by a revocation
);
create index logins_person on logins (person_id) where ended_at is null;
create index logins_seen on logins (seen_at);
