package jobs_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// verifying connects to PostgreSQL as sslmode=verify-full does with a file of these certificates, and gives whose certificate it saw.
func (s *site) verifying(i core.Instance, cred core.Credentials, bundle []byte) (issuer string, err error) {
	s.t.Helper()
	config, err := pgx.ParseConfig("sslmode=disable connect_timeout=10")
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	config.Host, config.Port, config.User, config.Password, config.Database = *i.Host, uint16(*i.Port), cred.Username, cred.Password, i.Database
	config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: *i.Host, VerifyConnection: func(c tls.ConnectionState) error {
		issuer = c.PeerCertificates[0].Issuer.CommonName
		return nil
	}}
	conn, err := pgx.ConnectConfig(s.t.Context(), config)
	if err != nil {
		return issuer, err
	}
	defer conn.Close(s.t.Context())
	var n int
	return issuer, conn.QueryRow(s.t.Context(), "select count(*) from genes").Scan(&n)
}

func (s *site) bundle() []byte {
	s.t.Helper()
	b, err := s.service.AuthorityBundle(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *site) secrets(id string) string {
	s.t.Helper()
	return strings.Join(strings.Fields(s.docker("secret", "ls", "--filter", "label=dev.mydb.instance="+id, "--format", "{{.Name}}")), " ")
}

// TestRotationOfTheAuthority rotates the authority under a server that runs and one that is stopped. Whoever has fetched the bundle
// trusts them before, between and after; passwords and data stay.
func TestRotationOfTheAuthority(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	idle, idleCred := s.made("proteins")
	s.must(core.Stop{On: core.On{Database: "proteins"}})
	old := s.bundle()
	before, err := s.verifying(i, cred, old)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.service.RotateAuthority(t.Context(), "root@host", 0, true); err != nil {
		t.Fatal(err)
	}
	both := s.bundle()
	s.eventually("both servers are renewed and the old authority is gone", func() error {
		if _, err := s.service.TendCertificates(t.Context()); err != nil {
			t.Fatal(err)
		}
		status, err := s.service.AuthorityStatus(t.Context())
		if err == nil && status.Rotating() {
			err = errorString(status.String())
		}
		return err
	})
	after, err := s.verifying(i, cred, s.bundle())
	if err != nil || after == before {
		t.Errorf("with the new authority alone: %q, before %q (%v)", after, before, err)
	}
	if _, err := s.verifying(i, cred, both); err != nil {
		t.Errorf("with the bundle of the overlap: %v", err)
	}
	if _, err := s.verifying(i, cred, old); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with the old authority alone: %v", err)
	}
	s.keeps(i, cred, "the rotation")
	if got := s.secrets(i.ID); got != "mydb-"+i.ID+"-s1" {
		t.Errorf("secrets %s", got)
	}
	if got := s.instance("proteins"); got.State != core.StateStopped || s.container(idle.ID) != "" {
		t.Errorf("the stopped one is %s", got.State)
	}
	s.must(core.Start{On: core.On{Database: "proteins"}})
	if _, err := s.verifying(s.instance("proteins"), idleCred, s.bundle()); err != nil {
		t.Errorf("the one that was stopped: %v", err)
	}
}

type errorString string

func (e errorString) Error() string { return string(e) }

// TestRenewMariaDB gives a server a new certificate on command, twice, and keeps it closed to those without TLS.
func TestRenewMariaDB(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	r := s.create(core.Create{Name: "lab", Engine: "mariadb", PHI: true})
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		t.Fatalf("%+v", o)
	}
	i, cred := s.instance("lab"), s.collect("lab")
	serial := func(bundle []byte, plain bool) (string, error) {
		t.Helper()
		var seen string
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(bundle)
		cfg := mysql.NewConfig()
		cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName, cfg.Logger = "tcp", net.JoinHostPort(*i.Host, strconv.Itoa(*i.Port)), cred.Username, cred.Password, i.Database, &mysql.NopLogger{}
		if !plain {
			cfg.TLS = &tls.Config{RootCAs: pool, ServerName: *i.Host, VerifyConnection: func(c tls.ConnectionState) error {
				seen = c.PeerCertificates[0].SerialNumber.String()
				return nil
			}}
		}
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return "", err
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		err = db.PingContext(t.Context())
		return seen, err
	}
	if _, err := serial(nil, true); err == nil {
		t.Error("health data crosses the network without TLS")
	}
	before, err := serial(s.bundle(), false)
	for n := range 2 {
		if err != nil {
			t.Fatal(err)
		}
		s.must(core.Renew{On: core.On{Database: "lab"}})
		var now string
		if now, err = serial(s.bundle(), false); err != nil || now == before {
			t.Errorf("renewal %d: %q, before %q (%v)", n+1, now, before, err)
		}
		before = now
	}
	if got := s.secrets(i.ID); got != "mydb-"+i.ID+"-s2" {
		t.Errorf("secrets %s", got)
	}
}
