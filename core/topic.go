package core

import "strings"

// Topic is a kind of mail that people may switch off. News without one is always told: whoever takes over an account must not be able to
// switch off the word of it first, and nobody should learn by chance that their data or their access is gone.
type Topic string

// The topics, in the order in which they are shown.
const (
	TopicReady     Topic = "ready"
	TopicFailed    Topic = "failed"
	TopicBackups   Topic = "backups"
	TopicRestored  Topic = "restored"
	TopicAlarms    Topic = "alarms"
	TopicExpiring  Topic = "expiring"
	TopicApprovals Topic = "approvals"
	TopicShared    Topic = "shared"
	TopicDigest    Topic = "digest"

	alwaysTold Topic = ""
)

// topics says what each is about. Those of administrators are shown to them alone.
var topics = []struct {
	Topic
	about  string
	admins bool
}{
	{TopicReady, "A database is ready", false},
	{TopicFailed, "Something that was asked for has failed", false},
	{TopicBackups, "A backup or its verification has failed, or is overdue", false},
	{TopicRestored, "A database was restored in place, or that was undone", false},
	{TopicAlarms, "Something is wrong with a database, or no longer wrong", false},
	{TopicExpiring, "The time of a database ends, or has ended", false},
	{TopicApprovals, "An approval is asked for, or was decided", false},
	{TopicShared, "Somebody shares a database with you, or no longer", false},
	{TopicDigest, "Once a day: what has happened, and what needs an administrator", true},
}

// AlwaysTold is what no preference switches off, for people to read.
const AlwaysTold = "A new password or a new owner, a chat user who acts as you from now on or no longer, a deletion and a removal for good, " +
	"another certificate authority, and what MyDB could not deliver otherwise are always told."

// Topics lists the words of all topics.
func Topics() (out []string) {
	for _, t := range topics {
		out = append(out, string(t.Topic))
	}
	return out
}

func (NewsReady) topic() Topic           { return TopicReady }
func (NewsExpiring) topic() Topic        { return TopicExpiring }
func (NewsApprovalAsked) topic() Topic   { return TopicApprovals }
func (NewsApprovalDecided) topic() Topic { return TopicApprovals }
func (NewsShared) topic() Topic          { return TopicShared }
func (NewsRestored) topic() Topic        { return TopicRestored }
func (NewsDigest) topic() Topic          { return TopicDigest }
func (NewsTrashed) topic() Topic         { return alwaysTold }
func (NewsPurged) topic() Topic          { return alwaysTold }
func (NewsTransferred) topic() Topic     { return alwaysTold }
func (NewsPassword) topic() Topic        { return alwaysTold }
func (NewsRotated) topic() Topic         { return alwaysTold }
func (NewsIdentity) topic() Topic        { return alwaysTold }
func (NewsAuthority) topic() Topic       { return alwaysTold }
func (NewsUndelivered) topic() Topic     { return alwaysTold }
func (NewsUndeliverable) topic() Topic   { return alwaysTold }

func (n NewsFailed) topic() Topic {
	if n.Action == failedBackup || n.Action == failedVerification {
		return TopicBackups
	}
	return TopicFailed
}

func (n NewsAlarm) topic() Topic {
	if strings.Contains(n.Alarm, "backup") {
		return TopicBackups
	}
	return TopicAlarms
}
