package core

// Notify lets tests write into the outbox as the commands in this package do.
var Notify = (*Service).notify

// SealedColumns names the columns that Reseal knows.
func SealedColumns() (out []string) {
	for _, c := range sealedColumns {
		out = append(out, c.name)
	}
	return out
}
