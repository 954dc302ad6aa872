package core

import (
	"slices"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/policy"
)

// TestEveryKindHasATopic holds each kind of news to its topic: what is about access and loss can never be switched off.
func TestEveryKindHasATopic(t *testing.T) {
	t.Parallel()
	want := map[string]Topic{
		"ready": TopicReady, "failed": TopicFailed, "alarm": TopicAlarms, "expiring": TopicExpiring, "restored": TopicRestored, "shared": TopicShared,
		"approval_asked": TopicApprovals, "approval_decided": TopicApprovals, "digest": TopicDigest,
		"rotated": alwaysTold, "password": alwaysTold, "identity": alwaysTold, "transferred": alwaysTold, "trashed": alwaysTold, "purged": alwaysTold,
		"undeliverable": alwaysTold, "undelivered": alwaysTold, "authority": alwaysTold,
	}
	for kind, empty := range newsKinds {
		topic, known := want[kind]
		if got := empty().topic(); !known || got != topic || empty().kind() != kind {
			t.Errorf("%s is of the topic %q, want %q (listed: %t)", kind, got, topic, known)
		}
		if topic != alwaysTold && !slices.Contains(Topics(), string(topic)) {
			t.Errorf("%s is of the topic %q, which nobody can choose", kind, topic)
		}
	}
	for news, want := range map[News]Topic{
		NewsFailed{Action: failedBackup}:        TopicBackups,
		NewsFailed{Action: failedVerification}:  TopicBackups,
		NewsFailed{Action: "create"}:            TopicFailed,
		NewsAlarm{Alarm: AlarmBackupLate}:       TopicBackups,
		NewsAlarm{Alarm: AlarmBackupLost}:       TopicBackups,
		NewsAlarm{Alarm: AlarmCatalogueLate}:    TopicBackups,
		NewsAlarm{Alarm: AlarmDisk}:             TopicAlarms,
		NewsExpiring{Days: 7}:                   TopicExpiring,
		NewsShared{Ended: true, Username: "a"}:  TopicShared,
		NewsIdentity{Linked: true, How: byMail}: alwaysTold,
	} {
		if got := news.topic(); got != want {
			t.Errorf("%+v is of the topic %q, want %q", news, got, want)
		}
	}
}

// TestNextDigest keeps to the site's clock, also in the nights in which it changes.
func TestNextDigest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, digest, after string
		want                []string
	}{
		{"Europe/Zurich", "07:00", "2026-03-28 12:00 +01", []string{"2026-03-29 07:00 +02", "2026-03-30 07:00 +02"}},
		{"Europe/Zurich", "07:00", "2026-10-24 07:00 +02", []string{"2026-10-25 07:00 +01", "2026-10-26 07:00 +01"}},
		{"Europe/Zurich", "02:30", "2026-03-28 12:00 +01", []string{"2026-03-29 03:30 +02", "2026-03-30 02:30 +02"}},
		{"Europe/Zurich", "02:30", "2026-10-24 12:00 +02", []string{"2026-10-25 02:30 +01", "2026-10-26 02:30 +01"}},
		{"Asia/Tokyo", "07:00", "2026-07-01 23:30 +00", []string{"2026-07-02 22:00 +00"}},
		{"UTC", "00:00", "2026-12-31 23:59 +00", []string{"2027-01-01 00:00 +00", "2027-01-02 00:00 +00"}},
	} {
		p := policy.Policy{Backup: policy.DefaultBackup(), Mail: policy.Mail{Digest: c.digest}}
		p.Backup.Timezone = c.zone
		at := zurich(t, c.after)
		for _, want := range c.want {
			if at = nextDigest(p, at); !at.Equal(zurich(t, want)) {
				t.Errorf("%s in %s after %s: %s, want %s", c.digest, c.zone, c.after, at.In(p.Backup.Location()).Format(time.DateTime), want)
			}
		}
	}
}
