// Run once in a new data directory, by the image's entry point, against a server that listens on the loopback interface only. It makes
// MyDB's own accounts, besides the one that the image has made, and nothing of the scientist's, so that it is the same for every
// instance. Passwords are read from their files: they are in no process list and in no history.
const fs = require('fs');
const admin = db.getSiblingDB('admin');
const durable = { w: 1, j: true };

function account(name, roles) {
  const pwd = fs.readFileSync('/run/mydb/' + name + '_password', 'utf8');
  admin.createUser({ user: 'mydb_' + name, pwd: pwd, roles: roles, mechanisms: ['SCRAM-SHA-256'] }, durable);
}

account('probe', []); // gets the rights of each tenant
account('backup', [
  { role: 'backup', db: 'admin' },
  { role: 'clusterMonitor', db: 'admin' },
]);

// The marker says that all of this is done, and must not be lost in a power failure: without it, the next start would begin again
// from nothing.
function sync(path, flags, text) {
  const file = fs.openSync(path, flags);
  if (text !== undefined) fs.writeSync(file, text);
  fs.fsyncSync(file);
  fs.closeSync(file);
}
const data = process.env.MYDB_DATA;
sync(data + '/mydb-initialised', 'w', new Date().toISOString() + '\n');
sync(data, 'r');
