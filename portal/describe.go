package portal

import (
	"net/http"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// describeForm changes all that the form shows. The mark of health data is a tick, which is absent when it is off.
func describeForm(r *http.Request, name string) core.Command {
	text := func(field string) *string {
		if !r.PostForm.Has(field) {
			return nil
		}
		value := strings.ReplaceAll(strings.TrimSpace(r.PostForm.Get(field)), "\r\n", "\n") // browsers send CRLF
		return &value
	}
	phi := r.PostForm.Get("phi") == "yes"
	return core.Describe{
		On: core.On{Database: name}, Description: text("description"), Contact: text("contact"), Department: text("department"), PI: text("pi"),
		Application: text("application"), Project: text("project"), Support: text("support"), Backup: text("backup"),
		BackupWindow: text("backup_window"), MaintenanceWindow: text("maintenance_window"), PHI: &phi,
	}
}
