package core

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// feed tells those who watch an operation that it changed. It says only that something changed; watchers read the catalogue.
type feed struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]bool
}

func newFeed() *feed { return &feed{watchers: map[string]map[chan struct{}]bool{}} }

// Watch gives a channel that receives after each change of the operation, and once right away. Several changes may arrive as one.
// cancel ends it. Changes are seen only while Listen runs; a watcher should also look now and then by itself.
func (s *Service) Watch(operationID string) (changed <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	f := s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers[operationID] == nil {
		f.watchers[operationID] = map[chan struct{}]bool{}
	}
	f.watchers[operationID][c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers[operationID], c)
		if len(f.watchers[operationID]) == 0 {
			delete(f.watchers, operationID)
		}
	}
}

func (f *feed) tell(operationID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.watchers[operationID] {
		nudge(c)
	}
}

func (f *feed) tellAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, set := range f.watchers {
		for c := range set {
			nudge(c)
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already
	}
}

// Listen passes changes on to watchers until ctx ends. It reconnects by itself, and tells everybody to look after each gap.
func (s *Service) Listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.listen(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("listening for changes was interrupted", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (s *Service) listen(ctx context.Context) error {
	pooled, err := s.db.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := (*pgxpool.Conn)(pooled).Hijack() // it holds a LISTEN, so it must not go back into the pool
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen mydb_operation"); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.feed.tellAll()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		s.feed.tell(n.Payload)
	}
}
