package assertion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// metadataAddress is that of every Google Cloud machine; by address, so that no DNS answer can move it.
	metadataAddress  = "169.254.169.254"
	metadataTimeout  = 2 * time.Second // for one answer
	discoveryTimeout = 5 * time.Second // for all of them, with repetitions
	metadataAttempts = 3
	maxMetadataBytes = 1 << 10
)

// DiscoverAudience finds out the audience of the application that it runs in:
//
//  1. the environment variable IAP_AUDIENCE, when set, is the answer (`gatehouse dev` sets it);
//  2. on Cloud Run (K_SERVICE is set) the service's name, with project number and region from the metadata server;
//  3. on App Engine (GAE_SERVICE or GAE_APPLICATION is set) project number and id from the metadata server.
//
// Anywhere else it is an error: the id of a backend service is known to the load balancer and not to the machine
// behind it. A Cloud Run service behind a load balancer has the audience of its backend service too; set
// IAP_AUDIENCE there, otherwise everything will be refused.
//
// It waits five seconds at most, and never longer than its context.
func DiscoverAudience(ctx context.Context) (string, error) {
	return (&Discovery{}).Audience(ctx)
}

// Discovery is DiscoverAudience with its surroundings replaced.
type Discovery struct {
	// Getenv reads the environment; nil means os.Getenv. GCE_METADATA_HOST moves the metadata server.
	Getenv func(string) string
	// Transport carries the questions; nil means one that uses no proxy.
	Transport http.RoundTripper
}

// Audience is [DiscoverAudience].
func (d *Discovery) Audience(ctx context.Context) (string, error) {
	if audience := d.getenv("IAP_AUDIENCE"); audience != "" {
		if err := checkAudience(audience); err != nil {
			return "", fmt.Errorf("IAP_AUDIENCE: %w", err)
		}
		return audience, nil
	}
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	var found Audience
	var err error
	switch {
	case d.getenv("K_SERVICE") != "":
		found.CloudRunService = d.getenv("K_SERVICE")
		if found.Region, err = d.region(ctx); err != nil {
			return "", err
		}
	case d.getenv("GAE_SERVICE") != "" || d.getenv("GAE_APPLICATION") != "":
		if found.AppEngineApp, err = d.read(ctx, "project/project-id"); err != nil {
			return "", err
		}
	default:
		return "", errors.New("assertion: the audience cannot be found out here: this is neither Cloud Run nor App Engine; " +
			"set IAP_AUDIENCE to what the console shows under \"Signed Header JWT Audience\"")
	}
	number, err := d.read(ctx, "project/numeric-project-id")
	if err != nil {
		return "", err
	}
	if found.ProjectNumber, err = strconv.ParseInt(number, 10, 64); err != nil {
		return "", fmt.Errorf("assertion: the metadata server gave %s as project number", quote(number))
	}
	audience := found.String()
	if audience == "" {
		return "", fmt.Errorf("assertion: no audience can be made of %+v", found)
	}
	return audience, nil
}

// region asks where we run; the answer is projects/NUMBER/regions/REGION.
func (d *Discovery) region(ctx context.Context) (string, error) {
	answer, err := d.read(ctx, "instance/region")
	if err != nil {
		return "", err
	}
	return answer[strings.LastIndexByte(answer, '/')+1:], nil
}

// read asks for one value, again when the server does not answer: it starts at about the time when we do.
func (d *Discovery) read(ctx context.Context, path string) (string, error) {
	host := d.getenv("GCE_METADATA_HOST")
	if host == "" {
		host = metadataAddress
	}
	if strings.ContainsAny(host, "/?#@ ") {
		return "", fmt.Errorf("assertion: GCE_METADATA_HOST is %s: expected HOST or HOST:PORT", quote(host))
	}
	transport := d.Transport
	if transport == nil {
		own := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, DisableKeepAlives: true}
		defer own.CloseIdleConnections()
		transport = own
	}
	client := &http.Client{
		Transport: transport,
		Timeout:   metadataTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the metadata server never redirects")
		},
	}
	for attempt := 1; ; attempt++ {
		value, again, err := readMetadata(ctx, client, "http://"+host+"/computeMetadata/v1/"+path)
		if err == nil {
			return value, nil
		}
		if !again || attempt == metadataAttempts || ctx.Err() != nil {
			return "", fmt.Errorf("assertion: the metadata server did not tell %s: %w", path, err)
		}
		select {
		case <-time.After(time.Duration(attempt) * 100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// readMetadata asks once; again says that asking once more may help.
func readMetadata(ctx context.Context, client *http.Client, url string) (value string, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", false, err
	}
	request.Header.Set("Metadata-Flavor", "Google")
	response, err := client.Do(request)
	if err != nil {
		return "", true, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", response.StatusCode >= 500, fmt.Errorf("it answered %s", response.Status)
	}
	// What does not say so is not the metadata server but something that answers everybody.
	if response.Header.Get("Metadata-Flavor") != "Google" {
		return "", false, errors.New("the answer has no Metadata-Flavor: Google")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxMetadataBytes+1))
	if err != nil {
		return "", true, err
	}
	value = strings.TrimSpace(string(body))
	if value == "" || len(body) > maxMetadataBytes {
		return "", false, errors.New("the answer is empty or too long")
	}
	return value, false, nil
}

func (d *Discovery) getenv(name string) string {
	if d.Getenv != nil {
		return d.Getenv(name)
	}
	return os.Getenv(name)
}
