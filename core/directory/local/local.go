// Package local is the directory of accounts that MyDB keeps itself, for development and for sites without a directory.
package local

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/mydb-project/mydb/core"
)

// Accounts is what a Directory needs of core.Service.
type Accounts interface {
	// PasswordHash gives a local account's person and argon2id hash. Errors: core.CodeNotFound.
	PasswordHash(ctx context.Context, login string) (core.Person, string, error)
	// Account gives a person as the catalogue has them. Errors: core.CodeNotFound, core.CodeForbidden for one that was disabled.
	Account(ctx context.Context, login string) (core.Account, error)
}

// Directory checks passwords against the accounts' argon2id hashes.
type Directory struct {
	accounts Accounts
	decoy    string // a hash to compare with for unknown people, so that they take as long as a wrong password
}

// New makes a directory.
func New(accounts Accounts) (*Directory, error) {
	decoy, err := Hash("nobody has this password")
	return &Directory{accounts: accounts, decoy: decoy}, err
}

// params follow OWASP's password storage cheat sheet: argon2id with 19 MiB, 2 passes and 1 lane, which many logins at once do
// not turn into a shortage of memory.
var params = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// maxPassword bounds, in bytes, what is hashed at all.
const maxPassword = 1024

// Hash makes the hash of a password to store.
func Hash(password string) (string, error) {
	h, err := argon2id.CreateHash(password, params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return h, nil
}

// typed tells what may be a login or a mail address from what the catalogue cannot even look for.
func typed(login string) bool {
	return login != "" && len(login) <= 254 && utf8.ValidString(login) && !strings.ContainsRune(login, 0)
}

// Lookup implements core.Directory.
func (d *Directory) Lookup(ctx context.Context, login string) (core.Account, error) {
	if !typed(login) {
		return core.Account{}, core.Errorf(core.CodeNotFound, "There is no such local account.")
	}
	return d.accounts.Account(ctx, login)
}

// Authenticate implements core.Directory.
func (d *Directory) Authenticate(ctx context.Context, login, password string) (core.Person, error) {
	refused := core.Errorf(core.CodeUnauthenticated, "This login and password do not fit together. Check both and try again.")
	if password == "" || len(password) > maxPassword || !typed(login) {
		return core.Person{}, refused
	}
	person, hash, err := d.accounts.PasswordHash(ctx, login)
	unknown := core.CodeOf(err) == core.CodeNotFound
	switch {
	case unknown:
		hash = d.decoy
	case err != nil:
		return core.Person{}, fmt.Errorf("look up %q: %w", login, err)
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return core.Person{}, fmt.Errorf("compare with the hash of %q: %w", login, err)
	}
	if !ok || unknown {
		return core.Person{}, refused
	}
	return person, nil
}
