package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core"
)

type lettersView struct {
	Items    []core.Letter
	State    core.LetterState
	States   []core.LetterState
	NextPage string
	Problem  string

	Undelivered []core.UndeliveredMessage // in chat, beside the letters that failed
}

// lettersPage shows what people were told, at first what they could not be told.
func (s *Server) lettersPage(w http.ResponseWriter, r *http.Request, c call) error {
	return s.showLetters(w, r, c, http.StatusOK, "")
}

func (s *Server) showLetters(w http.ResponseWriter, r *http.Request, c call, status int, problem string) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	v := lettersView{
		State: core.LetterState(r.URL.Query().Get("state")), Problem: problem,
		States: []core.LetterState{core.LetterFailed, core.LetterPending, core.LetterCancelled, core.LetterSent},
	}
	if v.State == "" {
		v.State = core.LetterFailed
	}
	items, next, err := s.service.Letters(r.Context(), c.Actor, v.State, page)
	if err != nil {
		return err
	}
	v.Items = items
	if v.State == core.LetterFailed {
		if v.Undelivered, err = s.service.Undelivered(r.Context(), c.Actor); err != nil {
			return err
		}
	}
	if next != "" {
		v.NextPage = "/notifications?state=" + string(v.State) + "&cursor=" + next
	}
	s.render(w, r, status, "letters", "Notifications", v)
	return nil
}

// retryLetter sends one again.
func (s *Server) retryLetter(w http.ResponseWriter, r *http.Request, c call) error {
	if _, err := s.service.RetryLetter(r.Context(), c.Request, c.item); err != nil {
		a := s.explain(r, err)
		a.setHeaders(w.Header())
		return s.showLetters(w, r, c, a.status, a.Message)
	}
	http.Redirect(w, r, "/notifications", http.StatusSeeOther)
	return nil
}

// withdraw takes back what one has asked for, from the page of approvals.
func (s *Server) withdraw(w http.ResponseWriter, r *http.Request, c call) error {
	c.Command = core.Withdraw{ID: c.item}
	if _, err := s.service.Do(r.Context(), c.Request); err != nil {
		a := s.explain(r, err)
		a.setHeaders(w.Header())
		return s.showApprovals(w, r, c, a.status, a.Message)
	}
	http.Redirect(w, r, "/approvals", http.StatusSeeOther)
	return nil
}
