package core

import (
	"maps"
	"slices"
)

// Notify lets tests write into the outbox as the commands in this package do.
var Notify = (*Service).notify

// ChooseBackup lets tests choose a backup as a restore does.
var ChooseBackup = (*Service).chooseBackup

// SealedColumns names the columns that Reseal knows.
func SealedColumns() (out []string) {
	for _, c := range sealedColumns {
		out = append(out, c.name)
	}
	return out
}

// Approvables lists the kinds of requests that somebody may have to approve.
func Approvables() []string { return slices.Sorted(maps.Keys(approvables)) }

// InWindow lets tests ask whether a moment is in the hours for maintenance.
var InWindow = inWindow
