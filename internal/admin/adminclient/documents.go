package adminclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// Documents returns all that manifests can declare.
func (c *Client) Documents(ctx context.Context) ([]admin.Document, error) {
	return listing[admin.Document](ctx, c, prefix+"documents", "documents")
}

// Apply applies documents, all of them or none. Its error is admin.Faults when something is wrong with them.
func (c *Client) Apply(ctx context.Context, documents []admin.Document, o admin.ApplyOptions) (admin.Plan, error) {
	plan, err := c.apply(ctx, admin.ApplyRequest{Documents: documents, Options: o}, o.Progress)
	var refused *Error
	if errors.As(err, &refused) {
		if faults := refused.FaultsOf(documents); len(faults) > 0 {
			return admin.Plan{}, faults
		}
	}
	return plan, err
}

func (c *Client) apply(ctx context.Context, in admin.ApplyRequest, progress func(done, total int)) (admin.Plan, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return admin.Plan{}, err
	}
	response, err := c.send(ctx, http.MethodPost, prefix+"documents/-:apply", bytes.NewReader(b))
	if err != nil {
		return admin.Plan{}, err
	}
	defer response.Body.Close()
	body := io.LimitReader(response.Body, maxAnswer)
	if response.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(body)
		if err != nil {
			return admin.Plan{}, fmt.Errorf("reading the server's answer: %w", err)
		}
		return admin.Plan{}, problem(response.Status, answer)
	}
	for decoder := json.NewDecoder(body); ; {
		var line admin.ApplyAnswer
		if err := decoder.Decode(&line); err != nil {
			return admin.Plan{}, fmt.Errorf("the server's answer ended before it said whether the documents are applied; run the command again to see: %w", err)
		}
		switch {
		case line.Error != nil:
			return admin.Plan{}, &Error{*line.Error}
		case line.Plan != nil:
			return *line.Plan, nil
		case line.Progress != nil && progress != nil:
			progress(line.Progress.Done, line.Progress.Total)
		}
	}
}
