package core

import (
	"context"
	"fmt"
)

// AlarmPortalCertificate is a certificate of the portal that cannot be used.
const AlarmPortalCertificate = "portal_certificate"

// NotePortalCertificate opens or resolves a finding about the files with which the portal on a host serves TLS. A nil problem is none.
func (s *Service) NotePortalCertificate(ctx context.Context, host string, problem error) error {
	subject := "portal on " + host
	l := look{kinds: []string{AlarmPortalCertificate}, subject: subject, tell: []Audience{ToAdmins}}
	if problem != nil {
		l.found = append(l.found, found{
			kind: AlarmPortalCertificate, subject: subject, severity: SeverityAlarm,
			message: fmt.Sprintf("The new certificate of the portal cannot be used: %v. The old one is served until its end; mend the files, and the portal takes them by itself.", problem),
		})
	}
	return s.settle(ctx, l)
}
