package core

// Notify lets tests write into the outbox as the commands in this package do.
var Notify = (*Service).notify
