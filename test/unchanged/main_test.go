package unchanged

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"

	"cloud.google.com/go/compute/metadata"
	"google.golang.org/api/idtoken"
)

// hostsVariable makes this binary the application, and says where its hosts file would point www.gstatic.com.
const hostsVariable = "UNCHANGED_APP_GSTATIC"

func TestMain(m *testing.M) {
	if address := os.Getenv(hostsVariable); address != "" {
		pointGStaticAt(address)
		if err := app(context.Background(), os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// pointGStaticAt stands for a line in the hosts file, which a test may not write.
func pointGStaticAt(address string) {
	dialer := &net.Dialer{}
	http.DefaultTransport.(*http.Transport).DialContext = func(ctx context.Context, network, name string) (net.Conn, error) {
		if name == "www.gstatic.com:443" {
			name = address
		}
		return dialer.DialContext(ctx, network, name)
	}
}

// app is what an application on App Engine does with an assertion, as Google's pages teach it: it asks the metadata
// server which project it is in, and lets Google's library fetch the keys from where it always does.
func app(ctx context.Context, assertion string) error {
	number, err := metadata.NumericProjectIDWithContext(ctx)
	if err != nil {
		return fmt.Errorf("the project's number: %w", err)
	}
	id, err := metadata.ProjectIDWithContext(ctx)
	if err != nil {
		return fmt.Errorf("the project's id: %w", err)
	}
	zone, err := metadata.ZoneWithContext(ctx)
	if err != nil {
		return fmt.Errorf("the zone: %w", err)
	}
	payload, err := idtoken.Validate(ctx, assertion, "/projects/"+number+"/apps/"+id)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"zone": zone, "issuer": payload.Issuer, "audience": payload.Audience})
}
