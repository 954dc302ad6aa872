package portal

import (
	"bytes"
	"sync"

	"github.com/PuerkitoBio/goquery"
)

// goquerySelection is an element that a test looks at.
type goquerySelection = goquery.Selection

// syncBuffer keeps what several goroutines log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
