package engine

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ParseSecretFile reads what SecretFile has written, whichever engine's: lines "name base64". It is for servers whose secrets MyDB has
// lost, and that have them still.
func ParseSecretFile(content []byte) (Secrets, error) {
	var (
		s   Secrets
		pem []byte
	)
	if !bytes.HasSuffix(content, []byte("\n")) {
		return Secrets{}, errors.New("the file of secrets is cut off")
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Secrets{}, fmt.Errorf("the file of secrets has a line %q that is none of MyDB's", name)
		}
		switch name {
		case "admin_password":
			s.Admin = string(value)
		case "probe_password":
			s.Probe = string(value)
		case "replication_password", "backup_password":
			s.Replication = string(value)
		case "tls.crt":
			s.Certificate = value
		case "tls.key":
			s.Key = value
		case "tls.pem":
			pem = value
		}
	}
	if key, both := bytes.CutPrefix(pem, s.Certificate); both && len(s.Key) == 0 {
		s.Key = key
	}
	if s.Admin == "" || s.Probe == "" || s.Replication == "" || len(s.Certificate) == 0 || len(s.Key) == 0 {
		return Secrets{}, errors.New("the file of secrets is not whole")
	}
	return s, nil
}
