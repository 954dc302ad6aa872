package jobs_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/mydb-project/mydb/core"
)

// upload uploads a file.
func (s *site) upload(content []byte) (core.Upload, error) {
	return s.service.Upload(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI}, "a/dump.sql", bytes.NewReader(content), int64(len(content)))
}

func (s *site) uploaded(content []byte) string {
	s.t.Helper()
	u, err := s.upload(content)
	if err != nil {
		s.t.Fatal(err)
	}
	return u.ID
}

// dumped runs a dump tool of an image against an instance and gives what it writes. The shell's words find the password in $PW.
func (s *site) dumped(image string, i core.Instance, cred core.Credentials, script string) []byte {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "docker", "run", "--rm", "--network=host", "--env=PW", "--env=H", "--env=P", "--env=U", "--env=D", "--entrypoint=/bin/sh", image, "-c", script)
	cmd.Env = append(os.Environ(), "PW="+cred.Password, "H="+*i.Host, fmt.Sprintf("P=%d", *i.Port), "U="+cred.Username, "D="+i.Database)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, problem.String())
	}
	return out.Bytes()
}

const pgDump = `PGPASSWORD=$PW PGSSLMODE=require pg_dump -h $H -p $P -U $U -d $D `

func gzipped(t *testing.T, content []byte) []byte {
	return packed(t, content, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zstded(t *testing.T, content []byte) []byte {
	return packed(t, content, func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
}

func packed(t *testing.T, content []byte, with func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := with(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
