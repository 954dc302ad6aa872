package bot

import (
	"bytes"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
)

func TestDrawStats(t *testing.T) {
	start := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var series []core.Usage
	for h := range 7 * 24 {
		size, connections := int64(1<<30+h*(8<<20)), h%9
		u := core.Usage{At: start.Add(time.Duration(h) * time.Hour), Up: h < 60 || h > 70}
		if u.Up {
			u.Bytes, u.Connections = &size, &connections
		}
		series = append(series, u)
	}
	var backups []core.Backup
	for d := range 7 {
		size := int64(200+10*d) << 20
		backups = append(backups, core.Backup{CreatedAt: start.AddDate(0, 0, 7-d), Size: &size, State: core.BackupVerified})
	}
	backups[2].State, backups[2].Size = core.BackupFailed, nil
	for name, c := range map[string]struct {
		series  []core.Usage
		backups []core.Backup
		nothing bool
	}{
		"a week":     {series, backups, false},
		"no backups": {series[:5], nil, false},
		"too short":  {series[:1], backups, true},
		"down":       {series[60:70], backups, false},
	} {
		picture, err := drawStats("genomes", c.series, c.backups)
		if err != nil || (picture == nil) != c.nothing {
			t.Errorf("%s: %d bytes, %v", name, len(picture), err)
			continue
		}
		if c.nothing {
			continue
		}
		if img, err := png.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() != chartWidth || len(picture) > 200<<10 {
			t.Errorf("%s: %d bytes, %v", name, len(picture), err)
		}
		if to := os.Getenv("MYDB_TEST_SHOW"); to != "" && name == "a week" {
			if err := os.WriteFile(to, picture, 0o600); err != nil {
				t.Error(err)
			}
		}
	}
}
