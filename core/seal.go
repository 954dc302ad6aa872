package core

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// auditRow is a row of the audit trail as it is hashed. Times are microseconds since 1970, which is all that Postgres keeps.
type auditRow struct {
	ID                                      int64
	At                                      int64
	ActorID, Actor, Door, Address, Action   string
	InstanceID, Subject, Outcome, Data, Xid string
}

const auditRowColumns = `a.id, (extract(epoch from a.at) * 1000000)::bigint as at, a.actor_id, a.actor, a.door, a.address, a.action, a.instance_id,
	a.subject, a.outcome, a.data::text as data, a.txid::text as xid`

// hashAfter is the hash of a row that comes after another: SHA-256 over the hash before, and every field with its length before it.
func (r *auditRow) hashAfter(before []byte) []byte {
	h := sha256.New()
	h.Write(before)
	var n [8]byte
	for _, number := range []int64{r.ID, r.At} {
		binary.BigEndian.PutUint64(n[:], uint64(number))
		h.Write(n[:])
	}
	for _, text := range []string{r.ActorID, r.Actor, r.Door, r.Address, r.Action, r.InstanceID, r.Subject, r.Outcome, r.Data} {
		binary.BigEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	return h.Sum(nil)
}

// sealAtOnce is how many rows are sealed in one transaction.
const sealAtOnce = 5000

// chainEnd is the newest row of the chain, and up to which transaction everything is in it.
type chainEnd struct {
	Seq  int64
	Hash []byte
	Upto string
}

// SealAudit adds what was committed to the chain, and gives how many rows. While another process does so, it does nothing.
func (s *Service) SealAudit(ctx context.Context) (sealed int, err error) {
	for {
		n, more, err := s.sealBatch(ctx)
		sealed += n
		if err != nil {
			return sealed, fmt.Errorf("seal the audit trail: %w", err)
		}
		if !more {
			return sealed, nil
		}
	}
}

func (s *Service) sealBatch(ctx context.Context) (n int, more bool, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock(hashtext('mydb audit chain'))").Scan(&mine); err != nil || !mine {
			return err
		}
		end, err := readChainEnd(ctx, tx)
		if err != nil {
			return err
		}
		var rows []auditRow
		var upto string
		if rows, upto, more, err = unsealed(ctx, tx, end); err != nil || len(rows) == 0 {
			return err
		}
		n = len(rows)
		return appendChain(ctx, tx, end, rows, upto)
	})
	return n, more, err
}

func readChainEnd(ctx context.Context, tx pgx.Tx) (chainEnd, error) {
	end, err := one[chainEnd](ctx, tx, `select c.seq, c.hash, b.upto::text as upto from audit_batches b join audit_chain c on c.seq = b.last_seq order by b.last_seq desc limit 1`)
	if notFound(err) {
		return chainEnd{Upto: "0"}, nil
	}
	return end, err
}

// unsealed reads the rows that come next: those of all transactions since the last time that are older than every one that is under way,
// in the order of their transactions. After a recovery onto another server the numbers of transactions begin anew; then what is not in the
// chain is looked for row by row, once.
func unsealed(ctx context.Context, tx pgx.Tx, end chainEnd) (rows []auditRow, upto string, more bool, err error) {
	var anew bool
	err = tx.QueryRow(ctx, "select pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmin(pg_current_snapshot()) < $1::text::xid8", end.Upto).Scan(&upto, &anew)
	if err != nil {
		return nil, "", false, err
	}
	query := "select " + auditRowColumns + ` from audit a where a.txid >= $1::text::xid8 and a.txid < $2::text::xid8
		and not exists (select from audit_chain c where c.audit_id = a.id) order by a.txid, a.id limit $3`
	if anew {
		query = "select " + auditRowColumns + ` from audit a where (a.txid >= $1::text::xid8 or a.txid < $2::text::xid8)
			and not exists (select from audit_chain c where c.audit_id = a.id) order by a.id limit $3`
	}
	for limit := sealAtOnce; ; limit *= 4 {
		if rows, err = many[auditRow](ctx, tx, query, end.Upto, upto, limit+1); err != nil {
			return nil, "", false, err
		}
		if len(rows) <= limit || anew {
			return rows, upto, anew && len(rows) > limit, nil
		}
		// The rows of one transaction stay together: those of the last one wait for the next batch.
		last := rows[len(rows)-1].Xid
		if cut := slices.IndexFunc(rows, func(r auditRow) bool { return r.Xid == last }); cut > 0 {
			return rows[:cut], last, true, nil
		}
	}
}

func appendChain(ctx context.Context, tx pgx.Tx, end chainEnd, rows []auditRow, upto string) error {
	seqs, ids, hashes := make([]int64, len(rows)), make([]int64, len(rows)), make([][]byte, len(rows))
	hash := end.Hash
	for i := range rows {
		hash = rows[i].hashAfter(hash)
		seqs[i], ids[i], hashes[i] = end.Seq+int64(i)+1, rows[i].ID, hash
	}
	if _, err := tx.Exec(ctx, "insert into audit_chain (seq, audit_id, hash) select * from unnest($1::bigint[], $2::bigint[], $3::bytea[])", seqs, ids, hashes); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into audit_batches (last_seq, upto) values ($1, $2::text::xid8)", seqs[len(seqs)-1], upto)
	return err
}

// Anchor is the newest hash of the chain at a moment, written where the database cannot change it.
type Anchor struct {
	Seq  int64     `json:"seq"`
	Hash string    `json:"hash"` // in hexadecimal digits
	At   time.Time `json:"at"`
}

// NextAnchor gives what is to be anchored; false when nothing was sealed since the last anchor.
func (s *Service) NextAnchor(ctx context.Context) (a Anchor, due bool, err error) {
	var hash []byte
	err = s.db.QueryRow(ctx, `select seq, hash from audit_chain where seq > coalesce((select max(seq) from audit_anchors), 0) order by seq desc limit 1`).Scan(&a.Seq, &hash)
	if notFound(err) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("look for what is to be anchored: %w", err)
	}
	a.Hash, a.At = hex.EncodeToString(hash), s.now().UTC()
	return a, true, nil
}

// KeepAnchor records that an anchor is in the store.
func (s *Service) KeepAnchor(ctx context.Context, a Anchor, location string) error {
	hash, err := hex.DecodeString(a.Hash)
	if err != nil {
		return fmt.Errorf("read the anchor's hash: %w", err)
	}
	_, err = s.db.Exec(ctx, "insert into audit_anchors (seq, hash, at, location) values ($1, $2, $3, $4) on conflict do nothing", a.Seq, hash, a.At, location)
	if err != nil {
		return fmt.Errorf("keep the anchor: %w", err)
	}
	return nil
}

// AuditProof is what a look at the whole chain has found.
type AuditProof struct {
	Rows     int64     `json:"rows"`     // that are in the chain and as they were
	Unsealed int64     `json:"unsealed"` // rows of the last minutes that are not in it yet
	Pruned   int64     `json:"pruned"`   // that the operator has taken away
	Anchors  int       `json:"anchors"`  // that fit
	Problems []string  `json:"problems,omitempty"`
	Until    time.Time `json:"until"` // the newest row
}

// maxProblems is how many problems are told.
const maxProblems = 50

func (p *AuditProof) tell(format string, args ...any) {
	if len(p.Problems) < maxProblems {
		p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
	}
}

// verifier goes through the chain.
type verifier struct {
	AuditProof
	hash    []byte // of the row before
	seq     int64
	anchors map[int64]Anchor
}

// chainRow is a row of the chain with the row of the trail that it seals, if that is there.
type chainRow struct {
	seq      int64
	auditID  int64
	hash     []byte
	there    bool
	auditRow auditRow
}

// VerifyAudit reads the whole audit trail, and finds rows that were changed, removed, added or put in another order since they were
// sealed. anchors are those of the store. It reads as the role of the connection, which needs no more than to read.
func (s *Service) VerifyAudit(ctx context.Context, anchors []Anchor) (AuditProof, error) {
	v := &verifier{anchors: map[int64]Anchor{}}
	for _, a := range anchors {
		v.anchors[a.Seq] = a
	}
	err := s.db.QueryRow(ctx, "select seq, hash, (select sum(rows)::bigint from audit_pruned) from audit_pruned order by seq desc limit 1").Scan(&v.seq, &v.hash, &v.Pruned)
	if err != nil && !notFound(err) {
		return v.AuditProof, fmt.Errorf("read what was pruned: %w", err)
	}
	first := v.seq
	if err := s.eachSealed(ctx, v.check); err != nil {
		return v.AuditProof, err
	}
	v.compareRest(first)
	return v.AuditProof, s.findUnsealed(ctx, v)
}

func (s *Service) eachSealed(ctx context.Context, do func(*chainRow)) error {
	rows, err := s.db.Query(ctx, `select c.seq, c.audit_id, c.hash, a.id is not null, coalesce(a.id, 0), coalesce((extract(epoch from a.at) * 1000000)::bigint, 0),
		coalesce(a.actor_id, ''), coalesce(a.actor, ''), coalesce(a.door, ''), coalesce(a.address, ''), coalesce(a.action, ''), coalesce(a.instance_id, ''),
		coalesce(a.subject, ''), coalesce(a.outcome, ''), coalesce(a.data::text, '') from audit_chain c left join audit a on a.id = c.audit_id order by c.seq`)
	if err != nil {
		return fmt.Errorf("read the chain: %w", err)
	}
	var c chainRow
	a := &c.auditRow
	_, err = pgx.ForEachRow(rows, []any{
		&c.seq, &c.auditID, &c.hash, &c.there, &a.ID, &a.At, &a.ActorID, &a.Actor, &a.Door, &a.Address, &a.Action, &a.InstanceID, &a.Subject, &a.Outcome, &a.Data,
	}, func() error {
		do(&c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the chain: %w", err)
	}
	return nil
}

// check looks at one row of the chain. After a problem it goes on from what the chain says, so that one changed row is one problem.
func (v *verifier) check(c *chainRow) {
	if c.seq != v.seq+1 {
		v.tell("numbers %d to %d of the chain are missing", v.seq+1, c.seq-1)
	}
	switch {
	case !c.there:
		v.tell("row %d was removed (number %d of the chain)", c.auditID, c.seq)
	case !slices.Equal(c.auditRow.hashAfter(v.hash), c.hash):
		if c.seq == v.seq+1 {
			v.tell("row %d of %s, %q by %s, is not what was sealed: it was changed, or stood elsewhere (number %d of the chain)",
				c.auditID, time.UnixMicro(c.auditRow.At).UTC().Format(time.RFC3339), c.auditRow.Action, c.auditRow.Actor, c.seq)
		}
	default:
		v.Rows++
		v.Until = time.UnixMicro(c.auditRow.At).UTC()
	}
	if a, anchored := v.anchors[c.seq]; anchored {
		if a.Hash == hex.EncodeToString(c.hash) {
			v.Anchors++
		} else {
			v.tell("number %d of the chain is not the one that was anchored in the store on %s: the chain was made anew", c.seq, moment(a.At))
		}
		delete(v.anchors, c.seq)
	}
	v.seq, v.hash = c.seq, slices.Clone(c.hash)
}

// compareRest finds anchors of what is not there any more. Those of what was pruned are expected.
func (v *verifier) compareRest(first int64) {
	for seq, a := range v.anchors {
		if seq > first {
			v.tell("number %d of the chain was anchored in the store on %s and is missing here: the end of the trail was cut off", seq, moment(a.At))
		}
	}
}

// sealedWithin is after what time a row has to be in the chain.
const sealedWithin = 5 * time.Minute

// findUnsealed counts rows that are not in the chain. Those that wait for an older transaction, such as a long backup of the server that the
// catalogue is on, are not late.
func (s *Service) findUnsealed(ctx context.Context, v *verifier) error {
	var late int64
	err := s.db.QueryRow(ctx, `select count(*), count(*) filter (where at < $1 and (txid < pg_snapshot_xmin(pg_current_snapshot()) or txid >= pg_snapshot_xmax(pg_current_snapshot())))
		from audit a where not exists (select from audit_chain c where c.audit_id = a.id)`,
		s.now().Add(-sealedWithin)).Scan(&v.Unsealed, &late)
	if err != nil {
		return fmt.Errorf("look for rows that are not sealed: %w", err)
	}
	if late > 0 {
		v.tell("%d rows are older than %s and not sealed: they were added past the application, or no worker has run", late, sealedWithin)
	}
	return nil
}

// PruneAudit takes away what is older than a moment and sealed, as the role that owns the schema: the application's cannot. The newest
// row stays, and the chain goes on from what was taken away. The rows should have been exported before. It gives how many are gone.
func PruneAudit(ctx context.Context, db DB, before time.Time, by string) (rows int64, err error) {
	type end struct {
		Seq  int64
		Hash []byte
	}
	last, err := one[end](ctx, db, `select seq, hash from audit_chain where seq < least((select max(seq) from audit_chain),
		(select min(c.seq) from audit_chain c join audit a on a.id = c.audit_id where a.at >= $1)) order by seq desc limit 1`, before)
	if notFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for what is to go: %w", err)
	}
	err = db.QueryRow(ctx, `with gone as (delete from audit a using audit_chain c where c.audit_id = a.id and c.seq <= $1 returning a.id),
		unchained as (delete from audit_chain where seq <= $1), unbatched as (delete from audit_batches where last_seq < $1)
		insert into audit_pruned (seq, hash, rows, by) select $1, $2, (select count(*) from gone), $3 returning rows`, last.Seq, last.Hash, by).Scan(&rows)
	if err != nil {
		return 0, fmt.Errorf("take old rows away: %w", err)
	}
	return rows, nil
}

// ErrAuditBroken says that the audit trail is not what it was.
var ErrAuditBroken = errors.New("the audit trail is not as it was sealed")
