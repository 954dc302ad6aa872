package engine

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Archiver makes and reads backups with the engine's own tools. A backup is a few parts, each a stream; together they are all that
// was on the server, without MyDB's own accounts.
type Archiver interface {
	// Dump begins a backup: what its parts hold is settled with this call, as far as the engine can; see Dump.
	Dump(ctx context.Context, s Server, secrets Secrets, run RunTool) (Dump, error)
	// CheckPart reads a part to its end the way a restore would, and changes nothing. s is a server to read for engines that need one.
	CheckPart(ctx context.Context, s Server, secrets Secrets, p Part, data io.Reader, run RunTool) error
	// RestorePart puts a part onto a server that has nothing of it, in the order of the backup. It may be repeated: what an earlier
	// try left is replaced. Only for servers that nobody uses yet.
	RestorePart(ctx context.Context, s Server, secrets Secrets, p Part, data io.Reader, run RunTool) error
	// Missing gives what of a backup's contents the server could not have, such as extensions that its image lacks.
	Missing(ctx context.Context, s Server, secrets Secrets, c Contents) ([]string, error)
	// LockAccounts keeps all accounts but MyDB's own and the one that is named from logging in, and gives their names: on a copy, nobody
	// has been let in yet. Their rights stay, and Grant lets them in again.
	LockAccounts(ctx context.Context, s Server, secrets Secrets, except string) ([]string, error)
	// Accounts gives the accounts of people on a server, MyDB's own left out, with what the server keeps in the place of their passwords. An
	// engine that tells nobody gives them without.
	Accounts(ctx context.Context, s Server, secrets Secrets) ([]Account, error)
	// PutAccounts gives accounts the passwords that they have on another server, and lets them log in. One that is not there is made, with no
	// rights. An engine whose Accounts come without verifiers refuses.
	PutAccounts(ctx context.Context, s Server, secrets Secrets, accounts []Account) error
	// Contents counts every table of every database, without MyDB's own. Tables of at most checksumBelow bytes get a checksum of all
	// that is in them, which does not depend on the order of the rows.
	Contents(ctx context.Context, s Server, secrets Secrets, checksumBelow int64) (Contents, error)
}

// Account is an account of somebody on a server.
type Account struct {
	Username string
	// Verifier is what the server keeps in the place of the password, in words of the engine; empty: none, or not known. A weak password can
	// be guessed from it.
	Verifier string
	Old      bool // the verifier is of a form that lets nobody in any more
}

// String keeps the verifier out of messages.
func (a Account) String() string { return a.Username }

// Dump is a backup that is being made. The parts are written one after the other; Contents is asked after the last.
type Dump interface {
	Parts() []Part
	// Write writes a part. An error means that the part is worthless.
	Write(ctx context.Context, p Part, w io.Writer) error
	// Contents says what the parts hold: exactly what was written, also when somebody has written since.
	Contents(ctx context.Context, checksumBelow int64) (Contents, error)
	// Close ends what keeps the moment of the backup. It may be called at any time.
	Close()
}

// The kinds of parts.
const (
	PartAccounts = "accounts" // accounts and their rights, as SQL text
	PartDatabase = "database" // one database
	PartAll      = "all"      // all databases in one stream
	PartRights   = "rights"   // rights on what is in the databases, as SQL text; after them
)

// Part is one stream of a backup.
type Part struct {
	File     string   `json:"file"` // its name without what is said of compression and encryption, such as 1.dump
	Kind     string   `json:"kind"`
	Database string   `json:"database,omitempty"`
	Command  []string `json:"command,omitempty"` // the tool that wrote it, without secrets
}

// Contents is what a server or a backup holds. Equal contents are equal data, as far as they were measured.
type Contents struct {
	ServerVersion string            `json:"server_version"`
	Databases     []ContentDatabase `json:"databases"`
	Accounts      []string          `json:"accounts"`
	// Exact says that the counts are of the very moment of the backup. Otherwise somebody wrote while it was made, in an engine that
	// cannot hold still, and Why says so.
	Exact bool   `json:"exact"`
	Why   string `json:"why,omitempty"`
}

// Extensions lists the extensions of all databases, without their versions.
func (c Contents) Extensions() (names []string) {
	for _, d := range c.Databases {
		for _, x := range d.Extensions {
			name, _, _ := strings.Cut(x, " ")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// ContentDatabase is one database.
type ContentDatabase struct {
	Name       string         `json:"name"`
	Extensions []string       `json:"extensions,omitempty"` // with versions, such as hstore 1.8
	Tables     []ContentTable `json:"tables"`
}

// ContentTable is a table or a collection. Checksum is empty when it was not computed.
type ContentTable struct {
	Schema   string `json:"schema,omitempty"`
	Name     string `json:"name"`
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum,omitempty"`
}

// Tool is a program from an instance's own image. Secrets are never in its command or environment, but in Files.
type Tool struct {
	Command []string
	Env     []string
	Files   map[string][]byte // in ToolDir, readable by the program alone
	Secrets []string          // never shown of what the program says, beside what its files hold
	Say     func(line string) // is told each line of the standard error stream; may be nil
}

// ToolDir is where a tool finds its files: a file system in memory.
const ToolDir = "/run/mydb-tool"

// RunTool runs a tool in a container of the instance's own image until it ends. stdin and stdout may be nil. It fails when the exit
// code is not 0, whatever was written: the error is then a *ToolError.
type RunTool func(ctx context.Context, t Tool, stdin io.Reader, stdout io.Writer) error

// ToolError is the end of a tool that did not do what it should have. With the exit code 0 it said that all is well, and what it wrote is
// not whole.
type ToolError struct {
	Tool     string // its name, such as pg_dump
	ExitCode int
	Stderr   string // its last lines, secrets masked; or what is wrong with what it wrote
}

// NotWhole says that a tool that ended well has not written all that it should have.
func NotWhole(tool, what string) error { return &ToolError{Tool: tool, Stderr: what} }

func (e *ToolError) Error() string {
	text := e.Tool + " ended with exit code " + strconv.Itoa(e.ExitCode)
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	return text
}
