package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/interception"
)

// EnvironmentFormats are the forms in which an environment can be printed.
func EnvironmentFormats() []string { return []string{"sh", "fish", "powershell", "dotenv", "json"} }

// EnvironmentOf returns the variables with which a program that somebody else starts finds the emulator at endpoint, as
// its own app does, on top of environ; and what could not be set.
func EnvironmentOf(ctx context.Context, endpoint string, environ []string) (set []interception.Variable, notes []string, err error) {
	info, err := FetchInfo(ctx, endpoint)
	if err != nil {
		return nil, nil, err
	}
	around := surroundings{info: info}
	if around.interception, err = readEnvironment(info.DataDir); err != nil {
		return nil, nil, err
	}
	set, notes, err = around.variables(environ)
	if err != nil {
		return nil, nil, err
	}
	if around.interception == nil {
		notes = append(notes, "this gatehouse dev runs with --no-intercept: www.gstatic.com and metadata.google.internal are not led to it")
	}
	return set, notes, nil
}

// FetchInfo asks the emulator at endpoint what it is.
func FetchInfo(ctx context.Context, endpoint string) (info Info, err error) {
	if err := checkEndpoint(endpoint); err != nil {
		return info, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/emulator/v1/info", nil)
	if err != nil {
		return info, err
	}
	request.Header.Set(markHeader, "1")
	response, err := machineClient().Do(request)
	if err != nil {
		return info, notThere(err, endpoint)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return info, err
	}
	if json.Unmarshal(content, &info) != nil || response.StatusCode != http.StatusOK || info.Audience == "" {
		return Info{}, fmt.Errorf("what answers at %s (%s) is not gatehouse dev: say with --endpoint where it runs", endpoint, response.Status)
	}
	return info, nil
}

// machineClient asks a server on this machine: without a proxy, and without going elsewhere.
func machineClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

func notThere(err error, endpoint string) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing answers at %s: start `gatehouse dev`, or say with --endpoint where it runs", endpoint)
	}
	return err
}

// WriteEnvironment prints variables in one of EnvironmentFormats.
func WriteEnvironment(w io.Writer, format string, set []interception.Variable) error {
	var b strings.Builder
	switch format {
	case "sh":
		for _, v := range set {
			fmt.Fprintf(&b, "export %s='%s'\n", v.Name, strings.ReplaceAll(v.Value, "'", `'\''`))
		}
	case "fish":
		for _, v := range set {
			fmt.Fprintf(&b, "set -gx %s '%s'\n", v.Name, strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(v.Value))
		}
	case "powershell":
		for _, v := range set {
			fmt.Fprintf(&b, "$env:%s = '%s'\n", v.Name, strings.ReplaceAll(v.Value, "'", "''"))
		}
	case "dotenv": // as compose and most libraries read it: literally, in single quotes
		for _, v := range set {
			if strings.Contains(v.Value, "'") {
				return fmt.Errorf("%s has a quote in its value, for which dotenv has no form: use another --format", v.Name)
			}
			fmt.Fprintf(&b, "%s='%s'\n", v.Name, v.Value)
		}
	case "json":
		members := make(map[string]string, len(set))
		for _, v := range set {
			members[v.Name] = v.Value
		}
		content, err := json.MarshalIndent(members, "", "  ")
		if err != nil {
			return err
		}
		b.Write(append(content, '\n'))
	default:
		return fmt.Errorf("--format %q: it is one of %s", format, strings.Join(EnvironmentFormats(), ", "))
	}
	for _, v := range set {
		if strings.ContainsAny(v.Value, "\n\r\x00") {
			return fmt.Errorf("%s has a value of several lines", v.Name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
