package mongodb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/quoting"
)

// SourceForm implements engine.Importer.
func (Engine) SourceForm() engine.SourceForm {
	return engine.SourceForm{
		Schemes: []string{"mongodb"}, Port: 27017, Default: engine.TLSOff, NeedsDatabase: true, Accounts: "authSource",
		TLS: map[string]string{
			"tls=true": engine.TLSRequire, "ssl=true": engine.TLSRequire, "tls=false": engine.TLSOff, "ssl=false": engine.TLSOff,
		},
		Ignored: []string{"appname", "directconnection", "readpreference", "replicaset", "retryreads", "retrywrites", "w", "serverselectiontimeoutms", "connecttimeoutms"},
	}
}

// Codes with which a server keeps somebody out.
const (
	errUnauthorized         = 13
	errAuthenticationFailed = 18
)

// atSource runs do on a session with a source, at the address that was checked and nowhere else: other members of its replica set are
// not looked for.
func atSource(ctx context.Context, src engine.Source, do func(context.Context, *mongo.Client) error) error {
	if strings.ContainsAny(src.Database, `*$\`) {
		return &engine.RefusedError{Message: `The name of the source's database holds *, $ or \, which the tools of MongoDB take for patterns.`, Err: errors.New("database name")}
	}
	if err := src.Reach(ctx); err != nil {
		return err
	}
	o := options.Client().SetHosts([]string{net.JoinHostPort(src.Address, strconv.Itoa(src.Port))}).SetDirect(true).SetAppName(appName).
		SetServerSelectionTimeout(2 * connectTimeout).SetServerMonitoringMode("poll").SetRetryReads(false)
	if src.Username != "" {
		o.SetAuth(options.Credential{AuthSource: src.Accounts, Username: src.Username, Password: src.Password, PasswordSet: true})
	}
	if src.TLS == engine.TLSRequire {
		o.SetTLSConfig(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // nobody knows who should vouch for it; see engine.TLSOff
	}
	client, err := mongo.Connect(o)
	if err != nil {
		return errors.New("prepare a connection to the source") // the cause may repeat the settings
	}
	defer hangUp(client)
	err = client.Database(src.Database).RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Err()
	if err == nil {
		err = do(ctx, client)
	}
	var known *engine.RefusedError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return src.Problem(ctx, "MongoDB", sourceRefusal(src, err), err)
}

// sourceRefusal puts into words what a server that speaks MongoDB's protocol says no to; empty when it said nothing.
func sourceRefusal(src engine.Source, err error) string {
	var e mongo.CommandError
	switch {
	case hasCode(err, errAuthenticationFailed), strings.Contains(err.Error(), "auth error"):
		return fmt.Sprintf("The source %s refuses the user name or the password. If the account is in another database, say so, such as with ?authSource=admin.", src)
	case hasCode(err, errUnauthorized):
		return fmt.Sprintf("The user of the source's address may not read %s.", src)
	case errors.As(err, &e):
		return fmt.Sprintf("The source %s refuses: %s.", src, strings.TrimSuffix(e.Message, "."))
	}
	return ""
}

// Look implements engine.Importer.
func (Engine) Look(ctx context.Context, src engine.Source, _ string) (out engine.Found, err error) {
	err = atSource(ctx, src, func(ctx context.Context, c *mongo.Client) (err error) {
		if out.ServerVersion, err = serverVersion(ctx, c); err != nil {
			return err
		}
		all, err := collections(ctx, c.Database(src.Database))
		if err != nil {
			return err
		}
		if out.Tables = len(all); out.Tables == 0 {
			return &engine.RefusedError{Message: fmt.Sprintf("The source has no database %s, or nothing in it that its user may see.", src), Err: errors.New("no collections")}
		}
		return nil
	})
	return out, err
}

// sourceTool is mongodump that logs in to a source.
func sourceTool(src engine.Source) engine.Tool {
	host := src.Address
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	t := engine.Tool{
		Command: []string{"mongodump", "--host=" + host, "--port=" + strconv.Itoa(src.Port), "--archive", "--db=" + src.Database},
		Secrets: []string{src.Password},
	}
	if src.TLS == engine.TLSRequire {
		t.Command = append(t.Command, "--ssl", "--tlsInsecure")
	}
	if src.Username != "" {
		t.Command = append(t.Command, "--username="+src.Username, "--authenticationDatabase="+src.Accounts, "--config="+engine.ToolDir+"/login.yaml")
		t.Files = map[string][]byte{"login.yaml": passwordFile(src.Password)}
	}
	return t
}

// passwordFile is how the tools of MongoDB are told a password. A text of JSON is one of YAML, too.
func passwordFile(password string) []byte {
	return []byte("password: " + quoting.Literal(password) + "\n")
}
