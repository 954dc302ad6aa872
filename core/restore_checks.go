package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// LacksExtensions is the sentence about extensions that a backup needs and a server does not have.
func LacksExtensions(names []string, title, version string) string {
	what := "the extension " + names[0]
	if len(names) > 1 {
		what = "the extensions " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("The backup needs %s, which %s %s does not have here. Restore it into the version that it is of, or ask an administrator to add what is missing to the image.", what, title, version)
}

// missingExtensions are those of a backup that the catalogue knows from the images of templates only, and the image that is to run is none of
// these. The backup's own image has them all. What else an image lacks shows when its server has started, before anything is restored.
func missingExtensions(c engine.Catalogue, m Manifest, image string) (missing []string) {
	if image == m.Instance.Image {
		return nil
	}
	offer, _ := c.Offer(m.Instance.Engine)
	for _, x := range m.Contents.Extensions() {
		known, here := false, slices.Contains(offer.Extensions, x)
		for _, t := range c.Templates {
			if t.Engine == m.Instance.Engine && slices.Contains(t.Extensions, x) {
				known, here = true, here || t.Image == "" || t.Image == image
			}
		}
		if known && !here {
			missing = append(missing, x)
		}
	}
	return missing
}

// NoteOldPasswords records whose passwords a restored server keeps in a form that lets nobody in any more.
func (s *Service) NoteOldPasswords(ctx context.Context, operationID string, usernames []string) error {
	_, err := s.db.Exec(ctx, "update operations set args = args || jsonb_build_object('old_passwords', $2::text[]) where id = $1", operationID, usernames)
	if err != nil {
		return fmt.Errorf("note the old passwords: %w", err)
	}
	return nil
}

// oldPasswords is what NoteOldPasswords has noted.
func oldPasswords(ctx context.Context, tx pgx.Tx, operationID string) (names []string, err error) {
	err = tx.QueryRow(ctx, "select array(select jsonb_array_elements_text(coalesce(args->'old_passwords', '[]'))) from operations where id = $1", operationID).Scan(&names)
	if err != nil {
		return nil, fmt.Errorf("read whose passwords are old: %w", err)
	}
	return names, nil
}
