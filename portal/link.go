package portal

import (
	"context"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/mydb-project/mydb/core"
)

// linkPath begins the path of a link that goes into messages. Its end is a token.
const linkPath = "/links/"

// loggedPath is a request's path without what must not be in a log.
func loggedPath(r *http.Request) string {
	for _, prefix := range []string{linkPath, apiPrefix + linkPath} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return prefix + "..."
		}
	}
	return r.URL.Path
}

type linkItem struct {
	Link string `path:"link" description:"To use a link: its token, which is the end of its address. To take one back: its id"`
}

type partQuery struct {
	Part string `query:"part" description:"One file of the backup, such as 1.dump; default: a tar of all, with the manifest"`
}

type linkList struct {
	Items []core.Link `json:"items"`
}

// linkEndpoints is the part of the API's table that is about links.
func (s *Server) linkEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodPost, path: "/databases/{name}/backups/{id}/download", id: "downloadBackup", summary: "Ask for a link by which a backup is downloaded",
			about: "201 with a link, whose url is given by this answer alone. What holds health data about persons leaves only with an approval: then 202 with the approval, and a " +
				"repeated request gives the link after it was approved. A repeated request gives the same link another url, and the one before stops working.",
			in: []any{idempotencyKey{}, core.DownloadBackup{}}, out: core.Receipt{}, status: http.StatusCreated,
			errors: []int{400, 403, 404, 409, 410, 413, 415, 503}, handle: s.apiDownload,
		},
		{
			method: http.MethodGet, path: "/links", id: "listLinks", summary: "One's own links that still work", out: linkList{}, status: http.StatusOK, errors: []int{403}, handle: s.apiLinks,
		},
		s.useLinkEndpoint(),
		{
			method: http.MethodDelete, path: "/links/{link}", id: "revokeLink", summary: "Take a link back",
			about: "For the person that it is for, and for administrators. Doing it twice is success.",
			in:    []any{linkItem{}}, status: http.StatusNoContent, errors: []int{403, 404}, handle: s.apiRevokeLink,
		},
	}
}

// useLinkEndpoint answers at a link's own address, too, to programs that send a token: there is one address for people and programs.
func (s *Server) useLinkEndpoint() endpoint {
	return endpoint{
		method: http.MethodPost, path: linkPath + "{link}", id: "useLink", summary: "Use a link: download the backup, or have the password shown",
		about: "With a token of the person whom the link is for; a POST to the link's url with the same header does the same. It works once; a download that breaks off may be begun " +
			"three times. Less than Content-Length is never the whole. The link of a password answers JSON, as /credentials does.",
		query: []string{"part"}, in: []any{linkItem{}, partQuery{}}, out: "", mime: "application/x-tar", status: http.StatusOK,
		errors: []int{400, 403, 410, 429, 503}, handle: s.apiUseLink,
	}
}

// tokenOf is the end of the path.
func tokenOf(r *http.Request) string { return short(plain(mux.Vars(r)["link"]), 100) }

// secretive keeps the address of a page from other sites, for links.
func secretive(w http.ResponseWriter) { w.Header().Set("Referrer-Policy", "no-referrer") }

// issue gives a link its address.
func (s *Server) issue(ctx context.Context, c call, id string) (core.Link, string, error) {
	l, token, err := s.service.IssueLink(ctx, c.Request, id)
	l.URL = s.origin + linkPath + token
	return l, token, err
}

func (s *Server) apiDownload(w http.ResponseWriter, r *http.Request, c call) error {
	var command core.DownloadBackup
	if r.ContentLength != 0 {
		if err := decode(w, r, &command); err != nil {
			return err
		}
	}
	command.Name(c.item)
	command.Item(mux.Vars(r)["id"])
	c.Command = command
	receipt, err := s.service.Do(r.Context(), c.Request)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if receipt.Link == nil {
		s.writeJSON(w, http.StatusAccepted, receipt)
		return nil
	}
	l, _, err := s.issue(r.Context(), c, receipt.Link.ID)
	if err != nil {
		return err
	}
	receipt.Link = &l
	s.writeJSON(w, http.StatusCreated, receipt)
	return nil
}

func (s *Server) apiLinks(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.Links(r.Context(), c.Actor, "")
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, linkList{list})
	return nil
}

func (s *Server) apiUseLink(w http.ResponseWriter, r *http.Request, c call) error {
	return s.useLink(w, r, c, r.URL.Query().Get("part"), func(_ core.Link, secret core.Credentials) error {
		s.writeJSON(w, http.StatusOK, secret)
		return nil
	})
}

func (s *Server) apiRevokeLink(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RevokeLink(r.Context(), c.Request, tokenOf(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// useLink does what a link is for. show shows a password.
func (s *Server) useLink(w http.ResponseWriter, r *http.Request, c call, part string, show func(core.Link, core.Credentials) error) error {
	secretive(w)
	ctx, cancel := context.WithTimeout(r.Context(), s.patience)
	defer cancel()
	l, err := s.service.LookLink(ctx, c.Request, tokenOf(r))
	if err != nil {
		return err
	}
	if l.Kind == core.LinkDownload {
		return s.sendDownload(w, r, c, part)
	}
	if l, err = s.service.UseLink(ctx, c.Request, tokenOf(r)); err != nil {
		return err
	}
	secret, err := s.service.Collect(ctx, c.Request, l.InstanceID)
	if err != nil {
		return err
	}
	return show(l, secret)
}

// linkView is the page behind a link: what it is for, and a button that does it.
type linkView struct {
	Link        core.Link
	Token       string
	Manifest    *core.Manifest
	Credentials *core.Credentials
}

// linkPage tells what a link does. Previews and prefetching come here, too: it uses nothing up.
func (s *Server) linkPage(w http.ResponseWriter, r *http.Request, c call) error {
	secretive(w)
	v := linkView{Token: tokenOf(r)}
	var err error
	if v.Link, err = s.service.LookLink(r.Context(), c.Request, v.Token); err != nil {
		return err
	}
	v.Link.URL = s.origin + linkPath + v.Token
	if v.Link.Kind == core.LinkDownload {
		m, err := s.service.Manifest(r.Context(), *v.Link.Backup)
		if err != nil {
			return err
		}
		v.Manifest = &m
	}
	s.render(w, r, http.StatusOK, "link", "Link to "+v.Link.Database, v)
	return nil
}

// openLink is the button of that page.
func (s *Server) openLink(w http.ResponseWriter, r *http.Request, c call) error {
	return s.useLink(w, r, c, r.PostForm.Get("part"), func(l core.Link, secret core.Credentials) error {
		s.render(w, r, http.StatusOK, "link", "Password of "+l.Database, linkView{Link: l, Credentials: &secret})
		return nil
	})
}

// revokeLink takes a link back, from the page of its database.
func (s *Server) revokeLink(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RevokeLink(r.Context(), c.Request, tokenOf(r)); err != nil {
		return err
	}
	http.Redirect(w, r, localPath(r.PostForm.Get("back")), http.StatusSeeOther)
	return nil
}

// download is the button of a backup: it leads to the page of its link, or to an approval.
func (s *Server) download(w http.ResponseWriter, r *http.Request, c call) error {
	c.Command = core.DownloadBackup{On: core.On{Database: c.item}, Backup: r.PostForm.Get("backup"), Reason: r.PostForm.Get("reason")}
	receipt, problem := s.service.Do(r.Context(), c.Request)
	if problem != nil {
		return s.showProblem(w, r, c, problem)
	}
	if receipt.Link == nil {
		http.Redirect(w, r, "/databases/"+receipt.Database.ID, http.StatusSeeOther)
		return nil
	}
	_, token, err := s.issue(r.Context(), c, receipt.Link.ID)
	if err != nil {
		return err
	}
	secretive(w)
	http.Redirect(w, r, linkPath+token, http.StatusSeeOther)
	return nil
}
