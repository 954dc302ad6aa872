package core

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/xid"
)

// ProofLevel is how far a backup was opened with an escrow key.
type ProofLevel string

// The levels.
const (
	ProofRead     ProofLevel = "read"     // every part was opened and read to its end
	ProofRestored ProofLevel = "restored" // and restored into a throw-away server, where every table was counted
)

// proofLife is for how long a proof counts.
const proofLife = 365 * 24 * time.Hour

// EscrowProof says that a backup was opened with nothing but an escrow key.
type EscrowProof struct {
	ID       string     `json:"id"`
	Escrow   string     `json:"escrow"` // the public key
	BackupID string     `json:"backup"`
	Level    ProofLevel `json:"level"`
	At       time.Time  `json:"at"`
	By       string     `json:"by" db:"by_whom"`
	Detail   string     `json:"detail,omitempty"`
}

// ProveEscrow records a proof. Errors: CodeNotFound for a backup that the catalogue does not have.
func (s *Service) ProveEscrow(ctx context.Context, p EscrowProof) error {
	b, err := one[Backup](ctx, s.db, selectBackup+"where b.id = $1", p.BackupID)
	if notFound(err) {
		return Errorf(CodeNotFound, "The catalogue of this site has no backup %s, so nothing was recorded. Is MYDB_DATABASE_URL that of the site whose store this is?", clip(p.BackupID))
	}
	if err != nil {
		return fmt.Errorf("find the backup: %w", err)
	}
	_, err = s.db.Exec(ctx, "insert into escrow_proofs (id, escrow, backup_id, level, at, by_whom, detail) values ($1, $2, $3, $4, $5, $6, $7)",
		xid.New().String(), p.Escrow, b.ID, p.Level, s.now(), p.By, p.Detail)
	if err != nil {
		return fmt.Errorf("record the proof: %w", err)
	}
	return writeAudit(ctx, s.db, AuditEntry{
		Actor: p.By, Door: DoorTerminal, Action: "key.prove", InstanceID: b.InstanceID, Subject: p.Escrow, Outcome: OutcomeDone,
		Data: map[string]any{"backup": b.ID, "level": string(p.Level)},
	})
}

// EscrowState is what is known of an escrow key of the site. Proof is nil when there is none. Warning is what to do; empty when all is
// well.
type EscrowState struct {
	Escrow  string
	Proof   *EscrowProof
	Warning string
}

// EscrowStates judges each escrow key of the site by the newest proof of it.
func (s *Service) EscrowStates(ctx context.Context) ([]EscrowState, error) {
	list, err := many[EscrowProof](ctx, s.db, `select distinct on (escrow) id, escrow, backup_id, level, at, by_whom, detail from escrow_proofs
		where escrow = any($1) order by escrow, level = 'restored' and at > $2 desc, at desc`, s.backups.Escrow, s.now().Add(-proofLife))
	if err != nil {
		return nil, fmt.Errorf("read the proofs of the escrow keys: %w", err)
	}
	proofs := map[string]EscrowProof{}
	for _, p := range list {
		proofs[p.Escrow] = p
	}
	var out []EscrowState
	for _, key := range s.backups.Escrow {
		e := EscrowState{Escrow: key}
		if p, ok := proofs[key]; ok {
			e.Proof = &p
		}
		e.Warning = e.warning(s.now())
		out = append(out, e)
	}
	return out, nil
}

func (e EscrowState) warning(now time.Time) string {
	const how = "Prove it with: mydb key prove --identity FILE"
	switch {
	case e.Proof == nil:
		return "nobody has proven yet that " + e.Escrow + " opens a backup. " + how
	case now.Sub(e.Proof.At) > proofLife:
		return fmt.Sprintf("that %s opens a backup was proven on %s, which is more than a year ago. %s", e.Escrow, moment(e.Proof.At), how)
	case e.Proof.Level != ProofRestored:
		return fmt.Sprintf("with %s, a backup was read on %s, but never restored. %s, on a machine with a container engine", e.Escrow, moment(e.Proof.At), how)
	}
	return ""
}
