package core

import "time"

// ChatError is what a chat service says.
type ChatError struct {
	// After is how long to wait; zero: nobody said.
	After time.Duration
	// Refused says that it will never work there: the channel is gone, or the person takes no messages.
	Refused bool
	Err     error
}

func (e *ChatError) Error() string { return e.Err.Error() }

// Unwrap gives the cause below.
func (e *ChatError) Unwrap() error { return e.Err }
