package core_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/policy"
)

// names is a server of DNS. Each question about a name is answered with the next of its answers, the last for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
}

// resolve lets this process ask it, until the test ends.
func resolve(t *testing.T, answers map[string][][]string) {
	t.Helper()
	socket, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n, usual := &names{answers: answers}, net.DefaultResolver
	go n.serve(socket)
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = usual
		_ = socket.Close()
	})
}

func (n *names) serve(socket net.PacketConn) {
	question := make([]byte, 1500)
	for {
		length, from, err := socket.ReadFrom(question)
		if err != nil {
			return
		}
		if answer, err := n.answer(question[:length]); err == nil {
			_, _ = socket.WriteTo(answer, from)
		}
	}
}

func (n *names) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.TrimSuffix(q.Name.String(), ".")
	all := n.answers[name]
	if len(all) == 0 {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	for _, text := range all[0] {
		head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		if a := netip.MustParseAddr(text); a.Is4() && q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		} else if a.Is6() && q.Type == dnsmessage.TypeAAAA {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	if q.Type == dnsmessage.TypeA && len(all) > 1 {
		n.answers[name] = all[1:]
	}
	return m.Pack()
}

// TestImportByName looks at what a name of a host means: all of it must be allowed, and what it means later is of no interest.
func TestImportByName(t *testing.T) {
	resolve(t, map[string][][]string{
		"inside.example":  {{"10.1.2.3"}},
		"outside.example": {{"10.2.2.3"}},
		"both.example":    {{"10.1.2.3", "10.2.2.3"}},
		"two.example":     {{"10.1.2.3", "::1"}},
		"own.example":     {{"127.0.0.1"}},
		"mapped.example":  {{"::ffff:127.0.0.1"}},
		"cloud.example":   {{"169.254.169.254"}},
		"turns.example":   {{"10.1.2.3"}, {"127.0.0.1"}},
	})
	im := newImporter(t, policy.Import{Networks: []string{"10.1.0.0/16"}})
	bring := func(host string) (core.Receipt, error) {
		name, _, _ := strings.Cut(host, ".")
		return im.Do(t.Context(), request(im.ada, "", core.Import{Create: core.Create{Name: name}, Source: "postgres://ada:canary@" + host + "/genomes"}))
	}
	for host, says := range map[string]string{
		"outside.example": "The host outside.example (10.2.2.3) is not on a network",
		"both.example":    "The host both.example (10.2.2.3) is not on a network",
		"two.example":     "The host two.example (::1) is not on a network",
		"own.example":     "(127.0.0.1) is not on a network",
		"mapped.example":  "(127.0.0.1) is not on a network",
		"cloud.example":   "(169.254.169.254) is not on a network",
		"unknown.example": "The host unknown.example is not known here",
	} {
		if _, err := bring(host); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", host, err, says)
		}
	}
	for _, host := range []string{"inside.example", "turns.example"} {
		r, err := bring(host)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		var args core.ImportArgs
		if err := im.Args(t.Context(), r.Operation.ID, &args); err != nil || args.Source.Address != "10.1.2.3" {
			t.Errorf("%s: the worker is told %+v, %v", host, args.Source, err)
		}
		if src, err := im.ImportSource(t.Context(), r.Database.ID, *args.Source); err != nil || src.Address != "10.1.2.3" {
			t.Errorf("%s: the worker goes to %s, %v", host, src.Address, err)
		}
	}
}
