package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// Service is the one door to the domain. It is safe for concurrent use.
type Service struct {
	db        *pgxpool.Pool
	queue     Queue
	keys      *crypt.Keyring
	engines   map[string]engine.Engine
	catalogue engine.Catalogue
	policy    policy.Policy
	quotas    policy.Quotas
	ports     PortRange
	pool      map[string]int
	// deleteGrace is how long the trash keeps an instance.
	deleteGrace time.Duration
	now         func() time.Time
	log         *slog.Logger
	feed        *feed

	backups Backups
	objects Objects
	lookup  func(ctx context.Context, login string) (Account, error)

	mailAdmins []string
	chatAdmins []ChatChannel
	inspector  Inspector
	limits     SessionLimits
	reports    chan struct{} // as many as may be read at once
	downloads  chan struct{} // as many as may be under way at once
	uploads    chan struct{} // as many as may arrive at once
}

// Options are what a Service is made of. All but Now are needed.
type Options struct {
	DB        *pgxpool.Pool
	Queue     Queue
	Keys      *crypt.Keyring
	Engines   []engine.Engine
	Catalogue engine.Catalogue
	Policy    policy.Policy // default: as policy.Default has it
	Quotas    policy.Quotas // default: none
	Ports     PortRange
	Log       *slog.Logger
	// MailAdmins are the addresses that administrators are told at; default: those of the people who are administrators.
	MailAdmins []string
	// ChatAdmins are the channels in which administrators approve.
	ChatAdmins []ChatChannel
	Pool       map[string]int // how many spares of which engine are kept ready; default: none
	// DeleteGrace is how long the trash keeps an instance; default: DefaultDeleteGrace.
	DeleteGrace time.Duration
	// Inspector looks at what runs, for those who ask. Nil: this process cannot.
	Inspector Inspector
	// Lookup reads an account of the directory anew, as Directory.Lookup does. Nil: the accounts are MyDB's own.
	Lookup func(ctx context.Context, login string) (Account, error)
	// Backups is how backups are made; the zero value: not at all.
	Backups Backups
	// Objects is where backups are. Nil: this process cannot read them.
	Objects Objects
	// Sessions are how long logins to the portal last.
	Sessions SessionLimits
	Now      func() time.Time // default: time.Now
}

// Queue takes jobs in the caller's transaction, so that a job exists exactly when what it is about was committed.
type Queue interface {
	Enqueue(ctx context.Context, tx pgx.Tx, job Job) error
}

// Job asks for work on an operation, whose kind it has; of the kind "notify" for a notification to be delivered; of the kind "chat" for
// an answer to what came in, and "chat_message" for a message to be brought up to date.
type Job struct {
	Kind           string
	OperationID    string
	InstanceID     string
	NotificationID string
	InboxKey       string    // of the kind "chat"
	MessageID      string    // of the kind "chat_message"
	NodeID         string    // of the instance, for work that only its node can do
	NotBefore      time.Time // zero: now
}

// New makes a Service. It reads and writes nothing yet.
func New(o Options) *Service {
	s := &Service{
		db: o.DB, queue: o.Queue, keys: o.Keys, catalogue: o.Catalogue, ports: o.Ports, pool: o.Pool, now: o.Now, log: o.Log,
		engines: map[string]engine.Engine{}, feed: newFeed(), mailAdmins: o.MailAdmins, chatAdmins: o.ChatAdmins,
		inspector: o.Inspector, objects: o.Objects, reports: make(chan struct{}, reportsAtOnce), downloads: make(chan struct{}, downloadsAtOnce), uploads: make(chan struct{}, uploadsAtOnce),
	}
	s.policy, s.quotas, s.backups, s.limits = o.Policy, o.Quotas, o.Backups, o.Sessions.orDefault()
	s.lookup = o.Lookup
	if s.policy.Directory == (policy.Directory{}) {
		s.policy.Directory = policy.DefaultDirectory()
	}
	if s.policy.Backup.Timezone == "" {
		s.policy.Backup = policy.DefaultBackup()
	}
	if s.policy.Links == (policy.Links{}) {
		s.policy.Links = policy.DefaultLinks()
	}
	if s.policy.Tokens == (policy.Tokens{}) {
		s.policy.Tokens = policy.DefaultTokens()
	}
	if s.policy.Mail == (policy.Mail{}) {
		s.policy.Mail = policy.DefaultMail()
	}
	if len(s.policy.Support) == 0 {
		s.policy.Support = policy.Default().Policy.Support
	}
	for _, e := range o.Engines {
		s.engines[e.Name()] = e
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.deleteGrace = o.DeleteGrace; s.deleteGrace <= 0 {
		s.deleteGrace = DefaultDeleteGrace
	}
	return s
}

// Door is where a request came in.
type Door string

// The doors.
const (
	DoorAPI      Door = "api"
	DoorPortal   Door = "portal"
	DoorTerminal Door = "terminal"
	DoorSystem   Door = "system" // MyDB itself
)

// Doors lists them, with those of the chat services.
func Doors() []string {
	return []string{string(DoorAPI), string(DoorPortal), string(DoorTerminal), string(Slack), string(Discord), string(DoorSystem)}
}

// Request is a command and who gives it.
type Request struct {
	Actor   Actor
	Door    Door
	Address string // network address of the client, for the audit trail
	// Chat is who wrote it on a chat service; nil elsewhere.
	Chat *ChatUser
	// Reference is by which the door knows the request, such as in its log; for the audit trail.
	Reference string
	// Key makes the request idempotent: the same key of the same person again gives the first receipt and does nothing. Empty
	// means that the door has no way to recognise a repetition.
	Key     string
	Command Command

	// unsure is why an administrator acts as anybody else for now; see privileged.
	unsure error
}

// Command is something to be decided and done. The commands are the types in this package with a decide method.
type Command interface {
	// action names the command in the audit trail, such as "create".
	action() string
	// prepare checks what needs no database and does what is slow, before the transaction starts.
	prepare(s *Service, actor Actor) (decision, error)
}

// decision is a prepared command: it runs in the transaction that commits it all.
type decision interface {
	decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error)
	// explain turns a constraint violation into the sentence for it. It runs after the rollback.
	explain(ctx context.Context, s *Service, err error) error
}

// Receipt is the answer to an accepted command.
type Receipt struct {
	Operation Operation `json:"operation,omitzero"`  // absent while an approval is waited for
	Approval  *Approval `json:"approval,omitempty"`  // what has to be approved first, or was decided
	Backup    *Backup   `json:"backup,omitempty"`    // that is being made
	Link      *Link     `json:"link,omitempty"`      // by which a backup is downloaded
	Database  Instance  `json:"database,omitzero"`   // absent for a class
	Databases []Receipt `json:"databases,omitempty"` // of a class, each with its operation
	Replayed  bool      `json:"-"`                   // the answer to an earlier request with the same key
}

// Do decides a command: its idempotency key, rows, audit entry and job commit together or not at all.
//
// Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeTaken, CodeBusy, CodeUnavailable; CodeKeyReused for a key that came with
// another command before.
func (s *Service) Do(ctx context.Context, req Request) (Receipt, error) {
	if len(req.Key) > 200 {
		return Receipt{}, invalid("Idempotency-Key", "The idempotency key is longer than 200 characters. Use a shorter one.")
	}
	req, err := s.privileged(ctx, req)
	if err != nil {
		return Receipt{}, err
	}
	return s.do(ctx, req)
}

func (s *Service) do(ctx context.Context, req Request) (Receipt, error) {
	d, err := req.Command.prepare(s, req.Actor)
	if err != nil {
		err = unsure(req, err)
		s.keepRefusal(ctx, req, err)
		return Receipt{}, err
	}
	var receipt Receipt
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		replayed, err := s.replay(ctx, tx, req, &receipt)
		if err != nil || replayed {
			return err
		}
		if receipt, err = d.decide(ctx, s, tx, req); err != nil {
			return err
		}
		return s.keepReceipt(ctx, tx, req, receipt)
	})
	if err != nil {
		if violates(err) != "" {
			err = d.explain(ctx, s, err)
		}
		err = unsure(req, err)
		s.keepRefusal(ctx, req, err)
		return Receipt{}, err
	}
	return receipt, nil
}

// replay claims the request's key. If the key is known already, it waits for the transaction that has it, and reads the receipt.
func (s *Service) replay(ctx context.Context, tx pgx.Tx, req Request, receipt *Receipt) (bool, error) {
	if req.Key == "" {
		return false, nil
	}
	body, err := json.Marshal(req.Command)
	if err != nil {
		return false, fmt.Errorf("encode the command: %w", err)
	}
	about := ""
	if on, ok := req.Command.(interface{ subject() string }); ok {
		about = on.subject()
	}
	text := append([]byte(req.Command.action()+"\n"+about+"\n"), body...)
	tag, err := tx.Exec(ctx, "insert into requests (person_id, key, digest) values ($1, $2, $3) on conflict do nothing",
		req.Actor.ID, req.Key, s.keys.Digest(text))
	if err != nil {
		return false, fmt.Errorf("claim the idempotency key: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return false, nil
	}
	var first, stored []byte
	err = tx.QueryRow(ctx, "select digest, receipt from requests where person_id = $1 and key = $2", req.Actor.ID, req.Key).Scan(&first, &stored)
	if err != nil {
		return false, fmt.Errorf("read the first receipt: %w", err)
	}
	if !s.keys.IsDigest(first, text) {
		return false, Errorf(CodeKeyReused, "This idempotency key came with another request before. Use a new key for a new request.")
	}
	if err := json.Unmarshal(stored, receipt); err != nil {
		return false, fmt.Errorf("decode the first receipt: %w", err)
	}
	receipt.Replayed = true
	return true, nil
}

func (s *Service) keepReceipt(ctx context.Context, tx pgx.Tx, req Request, receipt Receipt) error {
	if req.Key == "" {
		return nil
	}
	_, err := tx.Exec(ctx, "update requests set receipt = $3 where person_id = $1 and key = $2", req.Actor.ID, req.Key, receipt)
	if err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	return nil
}

// Catalogue is what may be asked for.
func (s *Service) Catalogue() engine.Catalogue { return s.catalogue }

// Engine finds an engine by its word.
func (s *Service) Engine(name string) (engine.Engine, error) {
	e, ok := s.engines[name]
	if !ok {
		return nil, fmt.Errorf("no engine %q in this binary", name)
	}
	return e, nil
}

// Ping reports whether the metadata database answers.
func (s *Service) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

func notFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
