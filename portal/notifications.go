package portal

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mydb-project/mydb/core"
)

func (s *Server) notificationEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/notifications", id: "listNotifications", summary: "What people were told, newest first, for administrators",
			about: "With state=failed, the dead letters: those that were given up.",
			query: []string{"state", "limit", "cursor"}, in: []any{notificationQuery{}}, out: notificationList{}, status: http.StatusOK,
			errors: []int{400, 403}, handle: s.apiNotifications,
		}, {
			method: http.MethodPost, path: "/notifications/{id}/retry", id: "retryNotification",
			summary: "Send a notification that failed or was cancelled after all, for administrators",
			about:   "One that is pending stays as it is; one that was sent is refused with 409.",
			in:      []any{idempotencyKey{}, idPath{}}, out: core.Letter{}, status: http.StatusAccepted,
			errors: []int{400, 403, 404, 409}, handle: s.apiRetryNotification,
		},
	}
}

type notificationQuery struct {
	State  string `query:"state" enum:"pending,sent,failed,cancelled" description:"Default: all"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" description:"The next of the page before"`
}

type notificationList struct {
	Items []core.Letter `json:"items"`
	Next  string        `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

func (s *Server) apiNotifications(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.Letters(r.Context(), c.Actor, core.LetterState(r.URL.Query().Get("state")), page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, notificationList{Items: list, Next: next})
	return nil
}

func (s *Server) apiRetryNotification(w http.ResponseWriter, r *http.Request, c call) error {
	letter, err := s.service.RetryLetter(r.Context(), c.Request, c.item)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusAccepted, letter)
	return nil
}

// outboxMetrics shows the outbox as it is in the catalogue, so that every portal shows what all workers did. A notification that
// is sent again moves from one state to another, so the values are neither a pure counter nor a gauge.
type outboxMetrics struct {
	counts func(context.Context) (map[core.LetterState]int64, error)
	log    *slog.Logger
}

var outboxDesc = prometheus.NewDesc("mydb_notifications_total", "Notifications in the outbox, by the state they are in.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (outboxMetrics) Describe(c chan<- *prometheus.Desc) { c <- outboxDesc }

// Collect implements prometheus.Collector. A catalogue that does not answer leaves these values out, and no others.
func (m outboxMetrics) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	counts, err := m.counts(ctx)
	if err != nil {
		m.log.Warn("the outbox could not be measured", "error", err)
		return
	}
	for state, n := range counts {
		c <- prometheus.MustNewConstMetric(outboxDesc, prometheus.UntypedValue, float64(n), string(state))
	}
}
