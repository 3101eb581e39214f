package emulator

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// banner is what a person reads once everything is ready.
type banner struct {
	rows   []row
	colour bool
}

// row is one line; a row without a label goes on with the one above.
type row struct{ label, text, note string }

func (r *run) banner(notice string) banner {
	b := banner{colour: isTerminal(r.Stderr) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	b.rows = append(b.rows,
		row{"App", r.info.URLs.App + "/", "→ " + r.behind()},
		row{"Sign-in", r.info.URLs.Auth + "/", ""},
		row{"Project", r.info.Project + " (" + r.info.ProjectNumber + "), " + describe(r.service), ""},
		row{"Audience", r.info.Audience, ""},
		row{"Keys", r.info.URLs.Keys, ""},
		row{},
	)
	b.rows = append(b.rows, r.accountRows()...)
	b.rows = append(b.rows, row{},
		row{"Let Bob in", "gatehouse iap web add-iam-policy-binding " + serviceFlags(r.service) + r.endpointFlag() + " \\", ""},
		row{"", "  --member=user:bob@example.com --role=roles/iap.httpsResourceAccessor", ""},
		row{"Token", `curl -H "Authorization: Bearer $(gatehouse auth print-identity-token alice@example.com` + r.endpointFlag() + `)" ` + r.info.URLs.App + "/", ""},
		row{},
	)
	if notice != "" {
		b.rows = append(b.rows, row{"Note", notice, ""})
	}
	if r.Exec != "" {
		b.rows = append(b.rows, row{"Ready", "running the --exec command, which ends everything when it ends.", ""})
	} else {
		b.rows = append(b.rows, row{"Ready", "open " + r.info.URLs.App + "/ and sign in as alice@example.com. Ctrl-C ends it.", ""})
	}
	return b
}

// accountRows say what each account may do, which only a new store can promise.
func (r *run) accountRows() []row {
	if !r.fresh {
		return []row{{"Accounts", "as they and their policy were left in " + r.DataDir, ""}}
	}
	rows := make([]row, 0, len(r.info.Accounts)+1)
	for i, account := range r.info.Accounts {
		label := ""
		if i == 0 {
			label = "Accounts"
		}
		access := account.Access
		if r.Declared != nil && r.Declared.Policy && account.Password != "" {
			access = "may do what the policy says that was given"
		}
		rows = append(rows, row{label, account.Email, access})
	}
	return append(rows, row{"Password", Password, "or one click on the sign-in page"})
}

// behind says what answers behind the gate.
func (r *run) behind() string {
	switch {
	case r.child != nil:
		return r.service.Upstream + ", " + r.child.name
	case r.hello != nil:
		return "the built-in Hello app"
	default:
		return r.Upstream
	}
}

// serviceFlags names the service as gcloud's `iap web` commands do.
func serviceFlags(service catalog.Service) string {
	switch service.Kind {
	case resource.AppEngineApp:
		return "--resource-type=app-engine"
	case resource.CloudRunService:
		return "--resource-type=cloud-run --region=" + service.Region + " --service=" + service.ID
	default:
		return "--resource-type=backend-services --service=" + service.Name
	}
}

// endpointFlag is needed where commands would not find us by themselves.
func (r *run) endpointFlag() string {
	if r.info.URLs.Machine == DefaultEndpoint {
		return ""
	}
	return " --endpoint=" + r.info.URLs.Machine
}

// write aligns labels and notes, and colours for a terminal only.
func (b banner) write(w io.Writer) error {
	labels, texts := 0, 0
	for _, row := range b.rows {
		labels = max(labels, len(row.label))
	}
	var out strings.Builder
	out.WriteByte('\n')
	for i, row := range b.rows {
		if row.blank() {
			texts = 0
			out.WriteByte('\n')
			continue
		}
		if texts == 0 { // a block begins, whose notes stand in one column
			texts = widestNoted(b.rows[i:])
		}
		label := fmt.Sprintf("  %-*s", labels, row.label)
		note := ""
		if row.note != "" {
			note = strings.Repeat(" ", texts-len(row.text)) + "  " + row.note
		}
		if b.colour {
			const bold, dim, plain = "\x1b[1m", "\x1b[2m", "\x1b[0m"
			label, note = bold+label+plain, dim+note+plain
		}
		out.WriteString(label + "  " + row.text + note + "\n")
	}
	out.WriteByte('\n')
	_, err := io.WriteString(w, out.String())
	return err
}

func (r row) blank() bool { return r == row{} }

// widestNoted measures the texts with notes up to the next blank row.
func widestNoted(rows []row) int {
	widest := 1
	for _, row := range rows {
		if row.blank() {
			break
		}
		if row.note != "" {
			widest = max(widest, len(row.text))
		}
	}
	return widest
}

// hostPort returns the address that a URL connects to.
func hostPort(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	switch {
	case u.Port() != "":
	case u.Scheme == "https":
		return net.JoinHostPort(u.Hostname(), "443")
	default:
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}
