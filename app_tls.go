package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/mydb-project/mydb/portal"
)

// expirySoon is how long before its end the portal's certificate is worth a warning.
const expirySoon = 14 * 24 * time.Hour

// overTLS makes the server speak TLS with the certificate of the configured files, which is taken anew when they change.
func (a *App) overTLS(ctx context.Context) (serve func(net.Listener) error, err error) {
	cert, err := portal.OpenCertificate(a.Config.TLSCertFile, a.Config.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("MYDB_TLS_CERT_FILE: %w", err)
	}
	a.server.TLSConfig = cert.Config()
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.server.RegisterOnShutdown(cancel)
	host, _ := os.Hostname() // one of several portals may have other files
	go cert.Watch(background, func(ctx context.Context, problem error) {
		if problem != nil {
			a.Log.Error("the portal's new certificate cannot be used; the old one still is", "error", problem)
		} else {
			a.Log.Info("the portal serves TLS", "certificate", a.Config.TLSCertFile, "expires", cert.Expires().UTC().Format(time.RFC3339))
		}
		if err := a.Service.NotePortalCertificate(ctx, host, problem); err != nil {
			a.Log.Warn("the state of the portal's certificate could not be recorded", "error", err)
		}
	})
	return func(l net.Listener) error { return a.server.ServeTLS(l, "", "") }, nil
}

// checkCertificate reads the files with which the portal serves TLS.
func (a *App) checkCertificate(context.Context) (string, error) {
	if !a.Config.TLSOn() {
		return "none: a proxy in front serves TLS, or nobody does", nil
	}
	cert, err := portal.OpenCertificate(a.Config.TLSCertFile, a.Config.TLSKeyFile)
	if err != nil {
		return "", fmt.Errorf("MYDB_TLS_CERT_FILE: %w", err)
	}
	until := cert.Expires().UTC().Format(time.DateOnly)
	if time.Until(cert.Expires()) < expirySoon {
		return "", warning(fmt.Sprintf("expires on %s: put a new one into %s and %s, without a restart", until, a.Config.TLSCertFile, a.Config.TLSKeyFile))
	}
	return "good until " + until, nil
}
