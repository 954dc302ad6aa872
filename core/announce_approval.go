package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ChatChannel is a channel of a chat service.
type ChatChannel struct {
	Platform Platform
	Team     string
	Channel  string
}

// announceApproval posts what waits for a decision into the channels of the administrators.
func (s *Service) announceApproval(ctx context.Context, tx pgx.Tx, approvalID string) error {
	for _, c := range s.chatAdmins {
		m := ChatMessage{Platform: c.Platform, Team: c.Team, Channel: c.Channel, Kind: MessageApproval, ApprovalID: &approvalID}
		if err := s.postMessage(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// tellAsker tells who has asked in chat, in their direct messages there, what became of it. Mail tells it, too.
func (s *Service) tellAsker(ctx context.Context, tx pgx.Tx, approvalID string) error {
	list, err := many[ChatUser](ctx, tx, `select c.platform, c.team, c.user_id as id, c.name from approvals a
		join chat_identities c on c.person_id = a.requested_by and c.platform = a.door where a.id = $1`, approvalID)
	if err != nil {
		return fmt.Errorf("find who has asked for an approval in chat: %w", err)
	}
	for _, u := range list {
		m := ChatMessage{Platform: u.Platform, Team: u.Team, UserID: u.ID, Private: true, Kind: MessageApproval, ApprovalID: &approvalID}
		if err := s.postMessage(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// ExpireApprovals ends approvals that nobody has decided in time, in every copy of their messages, and tells who has asked. Periodic.
func (s *Service) ExpireApprovals(ctx context.Context) (expired int, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		expired, err = s.expireApprovals(ctx, tx, "")
		return err
	})
	return expired, err
}

// expireApprovals does so for one instance, or for all.
func (s *Service) expireApprovals(ctx context.Context, tx pgx.Tx, instanceID string) (int, error) {
	type ended struct{ ID, Action, InstanceID, RequestedBy string }
	list, err := many[ended](ctx, tx, `update approvals set state = 'expired' where state = 'pending' and expires_at <= now() and ($1 = '' or instance_id = $1)
		returning id, action, instance_id, requested_by`, instanceID)
	if err != nil {
		return 0, fmt.Errorf("end old approvals: %w", err)
	}
	for _, a := range list {
		if err := s.touchMessages(ctx, tx, "", a.ID); err != nil {
			return 0, err
		}
		if err := s.tellAsker(ctx, tx, a.ID); err != nil {
			return 0, err
		}
		err := writeAudit(ctx, tx, AuditEntry{
			Actor: "mydb", Door: DoorSystem, Action: "approval.expire", InstanceID: a.InstanceID, Subject: a.ID, Outcome: OutcomeDone,
			Data: map[string]any{"approval": a.ID, "action": a.Action, "before": map[string]any{"state": "pending"}, "after": map[string]any{"state": "expired"}},
		})
		if err != nil {
			return 0, err
		}
		if err := s.dropUnapproved(ctx, tx, a.Action, a.InstanceID); err != nil {
			return 0, err
		}
		n := Notification{News: NewsApprovalDecided{Action: a.Action}, InstanceID: a.InstanceID, Key: a.ID + "/expired", To: []Audience{ToPerson}, People: []string{a.RequestedBy}}
		if err := s.notify(ctx, tx, n); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// Stake is what an approval puts at stake, as it is now.
type Stake struct {
	Approval
	Size         string
	Bytes        *int64 // on disk, as measured last
	Connections  *int   // now
	Version      string
	Engine       string
	PHI          bool
	Made         time.Time  // the instance
	Condition    State      // of the instance
	LastVerified *time.Time // the newest verified backup
	LastGood     *time.Time // the newest good backup
	PurgeAt      *time.Time // once it is in the trash
}

// StakeOf reads what an approval is about, for those who decide.
func (s *Service) StakeOf(ctx context.Context, approvalID string) (Stake, error) {
	st, err := one[Stake](ctx, s.db, `select x.*, i.size, u.bytes, u.connections, i.version, i.engine, i.phi, i.created_at as made, i.state as condition, i.purge_at,
			(select max(created_at) from backups where instance_id = i.id and state = 'verified') as last_verified,
			(select max(created_at) from backups where instance_id = i.id and state in ('done', 'verified')) as last_good
		from (`+selectApproval+`where a.id = $1) x join instances i on i.id = x.instance_id
		left join lateral (select bytes, connections from samples where instance_id = i.id order by at desc limit 1) u on true`, approvalID)
	if err != nil {
		return st, fmt.Errorf("read what approval %s is about: %w", approvalID, err)
	}
	return st, nil
}

// OperationOf reads an operation for the messages that tell of it.
func (s *Service) OperationOf(ctx context.Context, id string) (Operation, Instance, error) {
	row, err := one[operationRow](ctx, s.db, selectOperation+"where o.id = $1", id)
	if err != nil {
		return Operation{}, Instance{}, fmt.Errorf("read operation %s: %w", id, err)
	}
	i, err := one[Instance](ctx, s.db, selectInstance+"where i.id = $1", row.InstanceID)
	if err != nil {
		return Operation{}, i, fmt.Errorf("read the instance of operation %s: %w", id, err)
	}
	o, err := withSteps(ctx, s.db, row)
	return o, i, err
}

// offerPassword sends those who have asked for an operation in chat a button that shows them their new password once, in private.
func (s *Service) offerPassword(ctx context.Context, tx pgx.Tx, operationID string, i Instance) error {
	type asker struct {
		Platform Platform
		Team     string
		UserID   string
	}
	askers, err := many[asker](ctx, tx, `select distinct m.platform, m.team, m.user_id from chat_messages m join chat_identities c
		on c.platform = m.platform and c.team = m.team and c.user_id = m.user_id where m.operation_id = $1 and c.person_id = $2`, operationID, i.OwnerID)
	if err != nil {
		return fmt.Errorf("find who has asked in chat: %w", err)
	}
	for _, a := range askers {
		card := Card{
			Title: i.Name + " has a password for you", Tone: ToneGood,
			Text:    "It is shown to you alone, and can be shown again for ten minutes. Then MyDB does not have it any more.",
			Buttons: []Button{{Label: "Show it once", Action: "reveal", Value: i.ID, Tone: ToneGood}, {Label: "Get a link instead", Action: "reveal_link", Value: i.ID}},
		}
		m := ChatMessage{Platform: a.Platform, Team: a.Team, UserID: a.UserID, Private: true, Kind: MessageAnswer, Content: &card}
		if err := s.postMessage(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}
