package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func newExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Say why a request was refused or let through",
		Long: `Say why a request was refused or let through: the reason, who asked for what and when, which version of the
policy decided, and each binding that was looked at. The ID is on the page that the person saw.`,
		Example: "  gatehouse explain 06G4CWQ1ZR0005V1YSD82KTRH8",
		Args:    arguments("ID"),
	}
	server := addServerFlags(cmd)
	format := addOutput(cmd, formatText, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := audit.ParseDecisionID(args[0]); err != nil {
			return err
		}
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		return showDecision(cmd, server, client, args[0], format)
	}
	return cmd
}

// showDecision shows a decision, and what would change its outcome.
func showDecision(cmd *cobra.Command, server *serverFlags, client *adminclient.Client, id string, format *output) error {
	e, err := client.Explain(cmd.Context(), id)
	if err != nil {
		return err
	}
	if format.format != formatText {
		return format.print(cmd, e)
	}
	explain(cmd.OutOrStdout(), e)
	if next := nextStep(e); next != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", printable(next+server.again()))
	}
	return nil
}

// explain writes a decision for people.
func explain(w io.Writer, e admin.Explanation) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", label, printable(fmt.Sprintf(format, args...)))
	}
	line("Decision", "%s", e.ID)
	line("Time", "%s", e.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	switch {
	case e.Passed:
		line("Outcome", "let through")
	case e.Ends != "":
		line("Outcome", "a long-lived exchange was ended, which decision %s had let in", e.Ends)
	default:
		line("Outcome", "answered %d, not forwarded", e.Status)
	}
	line("Reason", "%s: %s", e.Reason, e.Title)
	line("", "%s", e.Text)
	line("Who", "%s", who(e))
	from := ""
	if e.Peer != "" {
		from = " from " + e.Peer
	}
	line("Request", "%s %s%s%s", e.Method, e.Host, e.Path, from)
	if e.RequestID != "" {
		line("Called", "%s", e.RequestID)
	}
	if e.Special != "" {
		line("Asks for", "%s", e.Special)
	}
	switch {
	case e.Resource == "":
		line("Resource", "none: the request led to no application")
	case e.Service == "":
		line("Resource", "%s", e.Resource)
	default:
		line("Resource", "%s (%s)", e.Resource, e.Service)
	}
	line("Policy", "version %d", e.Position)
	if e.KeyID != "" {
		line("Signed by", "key %s", e.KeyID)
	}
	explainTried(w, e.Tried)
	explainSettings(w, e.Settings)
}

// explainSettings shows the settings that hold for the service now.
func explainSettings(w io.Writer, list []settings.Setting) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "Settings, as they are now")
	for _, s := range list {
		value, err := json.Marshal(s.Value)
		if err != nil {
			value = []byte("?")
		}
		fmt.Fprintf(w, "  %s: %s, by %s\n", s.Field, printable(string(value)), printable(string(s.From)))
	}
}

func who(e admin.Explanation) string {
	if e.Principal == nil {
		return "nobody that was recognised"
	}
	text := fmt.Sprintf("%s (%s, %s)", e.Principal.Email, e.Principal.Kind, e.Principal.Subject)
	switch e.Credential {
	case audit.SessionCookie:
		text += ", session " + e.SessionID
	case audit.BearerToken:
		text += ", by a bearer token"
	}
	return text
}

// explainTried shows the policies that were looked at, from the service up.
func explainTried(w io.Writer, tried []audit.Tried) {
	if len(tried) == 0 {
		return
	}
	fmt.Fprintln(w, "Tried")
	for _, level := range tried {
		switch {
		case level.Etag == "":
			fmt.Fprintf(w, "  %s: no policy\n", printable(string(level.Resource)))
			continue
		case len(level.Bindings) == 0:
			fmt.Fprintf(w, "  %s (etag %s): no bindings\n", printable(string(level.Resource)), printable(level.Etag))
			continue
		}
		fmt.Fprintf(w, "  %s (etag %s)\n", printable(string(level.Resource)), printable(level.Etag))
		for _, b := range level.Bindings {
			fmt.Fprintf(w, "    %s, %s: %s\n", printable(b.Role), count(b.Members, "member"), printable(b.Why))
		}
	}
}

// nextStep is the command that would change the outcome, where there is one.
func nextStep(e admin.Explanation) string {
	if e.Principal == nil {
		return ""
	}
	switch e.Reason {
	case policy.NotGranted:
		flags := flagsFor(e.Resource, e.Service)
		if flags == "" {
			return ""
		}
		return strings.Join([]string{
			"To let them in: gatehouse iap web add-iam-policy-binding", flags,
			"--member=" + e.Principal.Member().String(), "--role=" + iam.RoleHTTPSResourceAccessor,
		}, " ")
	case policy.PrincipalSuspended:
		return "To admit them again, if the account still exists: gatehouse users enable " + e.Principal.Email
	default:
		return ""
	}
}
