package emulator

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gatehouse-iap/gatehouse/internal/interception"
)

// surroundings are what an app of the project finds around it.
type surroundings struct {
	info Info
	// interception leads programs to our answers for Google's hosts; nil for --no-intercept.
	interception *interception.Environment
}

// variables returns what is to be set on top of environ, and what could not be set: the variables that the app would
// see on Google Cloud, and those that lead it to us for what it asks of Google.
func (s surroundings) variables(environ []string) (set []interception.Variable, notes []string, err error) {
	// The project, the metadata server and the platform are the developer's own where they are set.
	metadata := strings.TrimPrefix(s.info.URLs.Machine, "http://") // an address: names are not resolved everywhere
	for _, v := range append([]interception.Variable{
		{Name: "GOOGLE_CLOUD_PROJECT", Value: s.info.Project}, {Name: "GCE_METADATA_HOST", Value: metadata}, {Name: "GCE_METADATA_IP", Value: metadata},
	}, platformVariables(s.info)...) {
		if !slices.ContainsFunc(environ, func(own string) bool { return strings.HasPrefix(own, v.Name+"=") && len(own) > len(v.Name)+1 }) {
			set = append(set, v)
		}
	}
	set = append(set, interception.Variable{Name: "IAP_AUDIENCE", Value: s.info.Audience})
	if s.interception == nil {
		return set, nil, nil
	}
	more, notes, err := s.interception.Variables(environ)
	if err != nil {
		return nil, nil, fmt.Errorf("the variables of the proxy: %w", err)
	}
	return append(set, more...), notes, nil
}

// appEnvironment is what the app is started with: base, and what leads it to us. A port of 0 leaves PORT as it is.
func (s surroundings) appEnvironment(base []string, port int) (env, notes []string, err error) {
	set, notes, err := s.variables(base)
	if err != nil {
		return nil, nil, err
	}
	env = slices.Clone(base)
	if port != 0 {
		set = append(set, interception.Variable{Name: "PORT", Value: strconv.Itoa(port)})
	}
	for _, v := range set {
		env = append(env, v.Name+"="+v.Value)
	}
	return env, notes, nil
}

// execEnvironment adds what a command run by --exec needs to find its way: the URLs, the client id for bearer
// tokens, and the two variables by which gatehouse's own commands find the server.
func (s surroundings) execEnvironment(base []string, port int) ([]string, error) {
	env, _, err := s.appEnvironment(base, port)
	return append(env,
		"GATEHOUSE_APP_URL="+s.info.URLs.App,
		"GATEHOUSE_AUTH_URL="+s.info.URLs.Auth,
		"GATEHOUSE_KEYS_URL="+s.info.URLs.Keys,
		"GATEHOUSE_ENDPOINT="+s.info.URLs.Machine,
		"GATEHOUSE_CLIENT_ID="+s.info.ClientID,
		"GATEHOUSE_DATA="+s.info.DataDir,
	), err
}

// environmentFile is where the credential of the proxy is kept for `gatehouse dev env`: the file system says who may
// read it, which a port cannot.
func environmentFile(dataDir string) string {
	return filepath.Join(dataDir, "interception", "environment.json")
}

func writeEnvironment(dataDir string, e interception.Environment) error {
	content, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return interception.WriteFile(environmentFile(dataDir), content, 0o600)
}

// readEnvironment reads the file of a running emulator; nil when nothing is intercepted there. Anybody on this machine
// may name a directory of theirs: only a file of our own counts, or one of root's.
func readEnvironment(dataDir string) (*interception.Environment, error) {
	path := environmentFile(dataDir)
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() && owner.Uid != 0 {
		return nil, fmt.Errorf("%s belongs to somebody else: run this as whoever runs gatehouse dev", path)
	}
	var e interception.Environment
	if err := json.NewDecoder(file).Decode(&e); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &e, nil
}
