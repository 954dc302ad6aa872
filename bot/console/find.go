package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// FindOptions say where to look for the server and the token. Server and TokenFile are what was given on the command line.
type FindOptions struct {
	Server    string
	TokenFile string
	Getenv    func(string) string // default: os.Getenv
	Home      string              // default: the person's home directory
}

const defaultServer = "http://127.0.0.1:8080"

// Find makes a client for the server and the token that the command line, the environment or the usual files name, in this order.
// Its errors are sentences for the person.
func Find(o FindOptions) (*Client, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // without one, the files below it are not there either
	}
	server := cmp.Or(o.Server, o.Getenv("MYDB_URL"), o.Getenv("MYDB_PUBLIC_URL"), defaultServer)
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the server %q is no address such as https://mydb.example.org; give one with --server or MYDB_URL", server)
	}
	if u.User != nil { // it would be sent in place of the token, and shown in messages
		return nil, errors.New("the server's address holds a login; leave that out and use a token")
	}
	token, err := o.token()
	if err != nil {
		return nil, err
	}
	return &Client{BaseURL: strings.TrimRight(server, "/"), Token: token}, nil
}

func (o FindOptions) token() (string, error) {
	if o.TokenFile != "" {
		return readToken(o.TokenFile)
	}
	if token := o.Getenv("MYDB_TOKEN"); token != "" {
		return checkToken(token, "MYDB_TOKEN")
	}
	if path := o.Getenv("MYDB_TOKEN_FILE"); path != "" {
		return readToken(path)
	}
	usual := []string{filepath.Join(cmp.Or(o.Getenv("MYDB_STATE_DIR"), ".mydb"), "token"), filepath.Join(o.Home, ".mydb", "token")}
	for _, path := range usual {
		token, err := readToken(path)
		if !errors.Is(err, os.ErrNotExist) {
			return token, err
		}
	}
	return "", fmt.Errorf("there is no token to log in with. Make one on your account page in the portal, and put it into %s, or name its file with --token-file or MYDB_TOKEN_FILE", usual[1])
}

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return checkToken(string(b), path)
}

// checkToken refuses what cannot be a token before it is sent anywhere. It does not repeat it.
func checkToken(token, source string) (string, error) {
	token = strings.TrimSpace(token)
	bad := func(r rune) bool { return r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r) }
	if token == "" || strings.ContainsFunc(token, bad) {
		return "", fmt.Errorf("%s holds no token: one line that starts with mydb_ is expected", source)
	}
	return token, nil
}
