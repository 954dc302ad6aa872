-- What people have chosen to be told of by mail, or not. Where there is no row, they are told. Topics are words of core/topic.go; what
-- has none is always told.
create table mail_preferences (
    person_id  text not null references people,
    topic      text not null,
    wanted     boolean not null,
    changed_at timestamptz not null,
    primary key (person_id, topic)
);
create index mail_preferences_off on mail_preferences (topic) where not wanted;
