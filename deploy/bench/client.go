package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mydb-project/mydb/core"
)

// pollEvery is how often anything is asked again: as often as MyDB's worker asks a new server.
const pollEvery = 25 * time.Millisecond

// createLimit is how long a create may take.
const createLimit = 5 * time.Minute

// apiClient speaks to the API as one person.
type apiClient struct {
	url, token string
	http       *http.Client
}

// client is the API of a process, as seen by the person with that number.
func (l *lab) client(p *process, person int) *apiClient {
	return &apiClient{url: p.url + "/api/v1", token: l.tokens[person%people], http: http.DefaultClient}
}

// create asks for a database of an engine and returns when that was accepted.
func (c *apiClient) create(ctx context.Context, engine, name, key string) (core.Receipt, error) {
	var receipt core.Receipt
	body, err := json.Marshal(core.Create{Name: name, Engine: engine})
	if err != nil {
		return receipt, err
	}
	return receipt, c.call(ctx, http.MethodPost, "/databases", key, body, http.StatusAccepted, &receipt)
}

// await returns when the operation is done, with what it has become.
func (c *apiClient) await(ctx context.Context, operationID string) (core.Operation, error) {
	var o core.Operation
	err := until(ctx, createLimit, func() (bool, error) {
		o = core.Operation{}
		err := c.call(ctx, http.MethodGet, "/operations/"+operationID, "", nil, http.StatusOK, &o)
		if err == nil && o.Finished() && o.State != core.OperationDone {
			err = errors.New("the operation " + string(o.State) + ": " + o.Error.Message)
		}
		return o.State == core.OperationDone, err
	})
	return o, err
}

func (c *apiClient) call(ctx context.Context, method, path, key string, body []byte, want int, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	return json.Unmarshal(answer, out)
}
