// Package engine describes database engines: which versions and sizes exist (the catalogue), and what MyDB must know of an
// engine to run one (the Engine interface). Everything particular to one engine lives in that engine's own folder below.
//
// The way through: Catalogue says what may be asked for; Engine.Recipe turns a choice into a container recipe that a runtime
// can run; Engine.Provision makes the scientist's role and database over SQL; Engine.Prove measures that they can use it.
package engine

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// Engine is all that MyDB knows of one database engine. Implementations are stateless and safe for concurrent use.
type Engine interface {
	// Name is the word people type and the catalogue's key, such as "postgres".
	Name() string
	// Title is the engine's name as its makers write it, such as "PostgreSQL".
	Title() string

	// CheckTenant refuses a user name, database name, password or init script that the engine cannot or must not have.
	// The error is a *FieldError.
	CheckTenant(t Tenant) error
	// Recipe says how to run one server. It is deterministic: equal input gives an equal recipe.
	Recipe(in Input) (Recipe, error)
	// SecretFile renders the one secret of an instance, in the form that the recipe's entry script reads.
	SecretFile(s Secrets) ([]byte, error)

	// Ping reports whether the server accepts MyDB's admin account at s. It makes one attempt and does not wait.
	Ping(ctx context.Context, s Server, adminPassword string) error
	// Provision makes the scientist's role, database, rights and listed extensions, and runs the init script as the scientist.
	// It is idempotent: also the init script runs once, however often this is called.
	// Errors that a retry cannot mend are a *RefusedError.
	Provision(ctx context.Context, s Server, adminPassword string, t Tenant) error
	// Prove logs in as the scientist and creates, writes, reads and drops a table. Only then may anybody say "ready".
	Prove(ctx context.Context, s Server, t Tenant) error

	// Probe measures that a server whose owner's password nobody knows any more is usable: MyDB's probe account, with rights
	// equal to the owner's, writes and reads in the owner's database, and the owner's account is there and may log in.
	// What the owner did themselves, such as dropping the database, is a *RefusedError.
	Probe(ctx context.Context, s Server, secrets Secrets, t Tenant) error
	// SetPassword gives an account that exists a new password; the old one is refused from then on.
	// An account that its owner dropped is a *RefusedError.
	SetPassword(ctx context.Context, s Server, adminPassword, username, password string) error
	// Login logs in as an account of the server, and does nothing more. It makes one attempt.
	Login(ctx context.Context, s Server, t Tenant) error
	// EndSessions ends what an account is doing on the server, where the engine can. The account stays.
	EndSessions(ctx context.Context, s Server, adminPassword, username string) error
	// Grant makes or updates a further account: its password, unless that is empty and the account there, and its rights on all that the tenant has now and makes later.
	Grant(ctx context.Context, s Server, adminPassword string, t Tenant, a Access) error
	// Revoke ends an account's sessions and removes it. What it made belongs to the tenant afterwards. Absent is success.
	Revoke(ctx context.Context, s Server, adminPassword string, t Tenant, username string) error
	// Sample measures how the server is doing, in well under a second.
	Sample(ctx context.Context, s Server, adminPassword string) (Sample, error)
	// Report reads what the tenant has: accounts with their rights, databases, and tables (never views) with exact row counts,
	// under the tenant's own rights. At the deadline of ctx it gives what it has, with Complete false.
	Report(ctx context.Context, s Server, secrets Secrets, t Tenant) (Report, error)
	// Lacks says, for each capability that this engine does not have, why. The conformance suite skips it then.
	Lacks() map[Capability]string

	Archiver
	Importer

	// Snippets are the ways to connect that the connection card shows. They never hold a password.
	Snippets(c Card) []Snippet
}

// Capability is something that the conformance suite would prove of an engine.
type Capability string

// The capabilities that an engine may lack.
const (
	CanExtensions  Capability = "extensions"  // installs listed extensions at creation
	CanLimitRoles  Capability = "rights"      // refuses an account what it has no right to
	CanInitScript  Capability = "init script" // runs a script at creation, as the tenant
	CanSeeSessions Capability = "sessions"    // counts the sessions of others, and ends them
	CanMakeViews   Capability = "views"       // has views
)

// Access is a further account on an instance: of a colleague whom the owner shares with, or of a pipeline.
type Access struct {
	Username string
	Password string // empty: as it is
	Write    bool   // else it may only read
}

// Sample is how a server is doing at one moment.
type Sample struct {
	At             time.Time     `json:"at"`
	UpSince        time.Time     `json:"up_since"`
	Bytes          int64         `json:"bytes"`       // size of all databases on disk
	Connections    int           `json:"connections"` // of clients, without MyDB's own
	MaxConnections int           `json:"max_connections"`
	LongestQuery   time.Duration `json:"-"` // that is running now
	LastLogin      *time.Time    `json:"last_login,omitempty"`
}

// Report is what a tenant has on a server.
type Report struct {
	At        time.Time        `json:"at"`
	Complete  bool             `json:"complete"` // false when the time was over before all was counted
	Accounts  []ReportAccount  `json:"accounts"`
	Databases []ReportDatabase `json:"databases"`
}

// ReportAccount is an account of a report. MyDB's own accounts are not in it.
type ReportAccount struct {
	Name   string   `json:"name"`
	Login  bool     `json:"login"`
	Rights []string `json:"rights"` // in the engine's own words, such as CREATEDB or SELECT ON genomes.*
}

// ReportDatabase is a database of a report. Bytes is its size on disk.
type ReportDatabase struct {
	Name   string        `json:"name"`
	Owner  string        `json:"owner,omitempty"`
	Bytes  int64         `json:"bytes"`
	Tables []ReportTable `json:"tables"`
}

// ReportTable is a table or a collection. Rows is exact, and nil when there was no time left to count or no right to read.
type ReportTable struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	Rows   *int64 `json:"rows"`
	Bytes  int64  `json:"bytes"`
}

// Input is what a recipe depends on.
type Input struct {
	InstanceID string
	Version    Version
	Size       Size
	Settings   map[string]string // beside what the size gives, in the engine's own words
	// InitUntil is the moment after which an empty data directory is missing data, not a new server. The entry script then
	// refuses to initialise it.
	InitUntil time.Time
}

// Recipe is how to run one server of an engine, in terms that any container runtime understands.
type Recipe struct {
	Image      string
	Entrypoint []string // replaces the image's own, which the entry script calls
	Args       []string
	Env        []string
	Configs    []File // equal for every instance of the engine, so that runtimes may share them
	SecretPath string // where the file of SecretFile is mounted
	DataPath   string // where the volume is mounted
	Tmpfs      []Tmpfs
	Port       int // the container's port
	Health     Health
	StopGrace  time.Duration
}

// File is a file that the runtime places into the container, readable by all and owned by root.
type File struct {
	Path    string
	Mode    uint32
	Content []byte
}

// Tmpfs is a file system in memory. Size is in bytes.
type Tmpfs struct {
	Path string
	Size int64
	Mode uint32
}

// Health is a container health check, in Docker's terms.
type Health struct {
	Test        []string
	Interval    time.Duration
	Timeout     time.Duration
	StartPeriod time.Duration
	Retries     int
}

// Secrets are the passwords of MyDB's own accounts on one instance, and its TLS certificate and key (PEM).
type Secrets struct {
	Admin       string
	Probe       string
	Replication string
	Certificate []byte
	Key         []byte
	// Version counts the certificates that the instance has had, from 0: each has a secret of its own in the cluster.
	Version int `json:",omitempty"`
}

// Server is where an instance can be reached, and how it is known to be the right one.
type Server struct {
	Host string // to dial, and the name its certificate must carry
	Port int
	CA   *x509.CertPool
	PEM  []byte // the certificate of that CA as text, for tools
}

// Tenant is the scientist's side of an instance.
type Tenant struct {
	Username   string
	Password   string
	Database   string
	Extensions []string
	InitSQL    string
}

// Card is what a person needs to connect. It never holds a password.
type Card struct {
	Name     string // the instance's name, also the name of its service file entry
	Host     string
	Port     int
	Database string
	Username string
	CAPath   string // where `mydb connect --save` puts the CA certificate
}

// Snippet is one way to connect, to be shown verbatim.
type Snippet struct {
	Tool     string `json:"tool"`     // a stable key, such as "psql"
	Title    string `json:"title"`    // for people, such as "Python (psycopg)"
	Language string `json:"language"` // for highlighting, such as "python"
	Text     string `json:"text"`
}

// FieldError says which field of a request an engine refuses, and why, in a sentence for the person.
type FieldError struct {
	Field   string
	Message string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// RefusedError is a server's answer that stays the same however often it is asked, such as an error in an init script.
// Message is a sentence for the person.
type RefusedError struct {
	Message string
	Err     error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s (%v)", e.Message, e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }
