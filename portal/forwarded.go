package portal

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// hop is what a proxy tells of the request before it.
type hop struct{ address, proto string }

// addressOf is the client's network address. Behind a proxy that we know, it is the last one that such a proxy has not added.
func (s *Server) addressOf(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := from.Addr().Unmap()
	for _, h := range slices.Backward(hops(r)) {
		if !s.isProxy(address) {
			break
		}
		before, err := netip.ParseAddr(h.address)
		if err != nil {
			break
		}
		address = before.WithZone("").Unmap()
	}
	return address.String()
}

// proxied gives what the proxy that sent a request says of how it got it: http, https, or nothing. Only a proxy that we know is believed.
func (s *Server) proxied(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !s.isProxy(from.Addr().Unmap()) {
		return ""
	}
	proto := lastOf(r.Header.Values("X-Forwarded-Proto"))
	if all := hops(r); proto == "" && len(all) > 0 {
		proto = all[len(all)-1].proto
	}
	return strings.ToLower(proto)
}

func (s *Server) isProxy(a netip.Addr) bool {
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// hops reads X-Forwarded-For, or where there is none Forwarded (RFC 7239), the nearest proxy's word last.
func hops(r *http.Request) (out []hop) {
	if old := r.Header.Values("X-Forwarded-For"); len(old) > 0 {
		for part := range strings.SplitSeq(strings.Join(old, ","), ",") {
			out = append(out, hop{address: bare(part)})
		}
		return out
	}
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Forwarded"), ","), ",") {
		var h hop
		for pair := range strings.SplitSeq(part, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			switch strings.ToLower(name) {
			case "for":
				h.address = bare(value)
			case "proto":
				h.proto = strings.Trim(value, `"`)
			}
		}
		out = append(out, h)
	}
	return out
}

// bare is an address without quotes, brackets and port.
func bare(text string) string {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().String()
	}
	return strings.Trim(text, "[]")
}

func lastOf(values []string) string {
	all := strings.Split(strings.Join(values, ","), ",")
	return strings.TrimSpace(all[len(all)-1])
}

// overTLS sends those to the public https address of whom the proxy says that they came without TLS. What they sent already was in the
// clear, so that nothing is done with it.
func (s *Server) overTLS(next http.Handler) http.Handler {
	if !strings.HasPrefix(s.origin, "https:") {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.proxied(r) != "http":
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			http.Redirect(w, r, s.origin+r.URL.RequestURI(), http.StatusPermanentRedirect)
		default:
			s.fail(w, r, core.Errorf(core.CodeForbidden, "This was sent without TLS, so nothing was done with it. If it held a password or a token, change that, and use %s.", s.origin))
		}
	})
}
