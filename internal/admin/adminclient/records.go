package adminclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// SearchRecords hears of what a query selects, line by line. The last line has End.
func (c *Client) SearchRecords(ctx context.Context, q admin.RecordQuery, hear func(admin.RecordLine) error) error {
	return c.records(ctx, "search", q, hear)
}

// TailRecords hears of the last records that a query selects, and of those that come, until ctx or the server ends.
func (c *Client) TailRecords(ctx context.Context, q admin.RecordQuery, hear func(admin.RecordLine) error) error {
	return c.records(ctx, "tail", q, hear)
}

// CountRecords hears of the counts of what a query selects. The last line has End.
func (c *Client) CountRecords(ctx context.Context, q admin.RecordQuery, hear func(admin.RecordLine) error) error {
	return c.records(ctx, "count", q, hear)
}

func (c *Client) records(ctx context.Context, verb string, q admin.RecordQuery, hear func(admin.RecordLine) error) error {
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	response, err := c.send(ctx, http.MethodPost, prefix+"records/-:"+verb, bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		return problem(response.Status, answer)
	}
	for decoder := json.NewDecoder(response.Body); ; {
		var line admin.RecordLine
		switch err := decoder.Decode(&line); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == io.EOF && verb == "tail":
			return nil
		case err != nil:
			return fmt.Errorf("the server's answer ended before everything was said: %w", err)
		case line.Error != nil:
			return &Error{*line.Error}
		}
		if err := hear(line); err != nil || line.End != nil {
			return err
		}
	}
}
