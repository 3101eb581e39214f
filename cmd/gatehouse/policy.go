package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// policyTarget is a sort of resource that has an IAM policy, as commands name it.
type policyTarget struct {
	noun     string
	argument string // the argument that names the resource; empty when flags do
	flags    string // for examples
	// add adds the flags, and returns how to name the resource from them and the argument.
	add func(cmd *cobra.Command) func(argument string, project admin.Project) (name, kind string, err error)
}

var webPolicy = policyTarget{
	noun:  "an application, of all applications of a type, or of all in the project",
	flags: " --resource-type=backend-services --service=app",
	add: func(cmd *cobra.Command) func(string, admin.Project) (string, string, error) {
		r := addWebResource(cmd, true)
		return func(_ string, project admin.Project) (string, string, error) { return r.name(project) }
	},
}

var projectPolicy = policyTarget{
	noun:     "a project",
	argument: "PROJECT",
	flags:    " dev-project",
	add: func(cmd *cobra.Command) func(string, admin.Project) (string, string, error) {
		return func(written string, project admin.Project) (string, string, error) {
			return string(resource.Project(project.ProjectNumber)), "project", checkProject(written, project)
		}
	},
}

func newProjectsCommand() *cobra.Command {
	cmd := commandGroup("projects", "Say who has which role in the whole project", `A role on the project is inherited by everything in it. The commands are those of "gcloud projects".`)
	cmd.AddCommand(policyCommands(addServerFlags(cmd), projectPolicy)...)
	return cmd
}

// policyCommands are the four commands that gcloud has for every resource with a policy.
func policyCommands(server *serverFlags, t policyTarget) []*cobra.Command {
	return []*cobra.Command{
		newGetPolicy(server, t), newSetPolicy(server, t),
		newBinding(server, t, addBinding), newBinding(server, t, removeBinding),
	}
}

// policyCommand is what the four have in common.
func policyCommand(server *serverFlags, t policyTarget, verb, short, example string, names []string,
	run func(cmd *cobra.Command, client *adminclient.Client, name string, args []string) (iam.Policy, error),
) *cobra.Command {
	if t.argument != "" {
		names = append([]string{t.argument}, names...)
	}
	cmd := &cobra.Command{
		Use: strings.Join(append([]string{verb}, names...), " "), Short: short + " the IAM policy of " + t.noun,
		Example: example, Args: arguments(names...),
	}
	format := addOutput(cmd, formatYAML, formatJSON)
	nameOf := t.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		project, err := client.Project(cmd.Context())
		if err != nil {
			return err
		}
		argument := ""
		if t.argument != "" {
			argument, args = args[0], args[1:]
		}
		name, kind, err := nameOf(argument, project)
		if err != nil {
			return err
		}
		policy, err := run(cmd, client, name, args)
		if err != nil {
			return explainPolicyError(err)
		}
		if verb != "get-iam-policy" {
			say(cmd, "Updated IAM policy for %s [%s].", kind, name)
		}
		return format.print(cmd, policy)
	}
	return cmd
}

// explainPolicyError adds to an error what to do about it.
func explainPolicyError(err error) error {
	if adminclient.HasReason(err, admin.ReasonEtagMismatch) {
		return fmt.Errorf("the policy has changed since its etag was read; get it again with get-iam-policy, make your change in that, and set it (%w)", err)
	}
	return err
}

func newGetPolicy(server *serverFlags, t policyTarget) *cobra.Command {
	path := policyPath(t)
	return policyCommand(server, t, "get-iam-policy", "Print",
		fmt.Sprintf("  gatehouse %s get-iam-policy%s\n  gatehouse %s get-iam-policy%s --format=json > policy.json", path, t.flags, path, t.flags),
		nil,
		func(cmd *cobra.Command, client *adminclient.Client, name string, _ []string) (iam.Policy, error) {
			return client.IamPolicy(cmd.Context(), name)
		})
}

func newSetPolicy(server *serverFlags, t policyTarget) *cobra.Command {
	argument := t.flags + " policy.yaml"
	path := policyPath(t)
	cmd := policyCommand(server, t, "set-iam-policy", "Replace",
		fmt.Sprintf("  gatehouse %s get-iam-policy%s > policy.yaml\n  # change policy.yaml, then\n  gatehouse %s set-iam-policy%s", path, t.flags, path, argument),
		[]string{"POLICY_FILE"},
		func(cmd *cobra.Command, client *adminclient.Client, name string, args []string) (iam.Policy, error) {
			policy, err := readPolicy(cmd.InOrStdin(), args[0])
			if err != nil {
				return iam.Policy{}, err
			}
			if policy.Etag == "" {
				say(cmd, "note: %s has no etag, so changes that somebody else has made meanwhile are overwritten", args[0])
			}
			set, err := client.SetIamPolicy(cmd.Context(), name, policy)
			if err == nil {
				noteUnknownGroups(cmd, client, []iam.Policy{set})
			}
			return set, err
		})
	cmd.Long = cmd.Short + ` by a file, JSON or YAML, as get-iam-policy prints it ("-" reads it from stdin).
When the file has an etag, the policy is replaced only if nobody has changed it since.`
	return cmd
}

// maxPolicyFile is more than a policy of iam.MaxPrincipals members needs.
const maxPolicyFile = 1 << 20

func readPolicy(stdin io.Reader, path string) (iam.Policy, error) {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return iam.Policy{}, err
		}
		defer file.Close()
		in = file
	}
	b, err := io.ReadAll(io.LimitReader(in, maxPolicyFile+1))
	if err != nil {
		return iam.Policy{}, err
	}
	if len(b) > maxPolicyFile {
		return iam.Policy{}, fmt.Errorf("%s is larger than %d bytes: that is no policy", path, maxPolicyFile)
	}
	policy, err := iam.Parse(b)
	if err != nil {
		return iam.Policy{}, fmt.Errorf("%s: %w", path, err)
	}
	return policy, nil
}

// bindingVerb is adding or removing a binding.
type bindingVerb struct {
	verb, short string
	do          func(*adminclient.Client, *cobra.Command, string, string, string) (iam.Policy, error)
}

var (
	addBinding = bindingVerb{"add-iam-policy-binding", "Add a member with a role to", func(c *adminclient.Client, cmd *cobra.Command, name, role, member string) (iam.Policy, error) {
		policy, err := c.AddBinding(cmd.Context(), name, role, member)
		if err == nil {
			added := iam.Policy{Bindings: []iam.Binding{{Role: role, Members: []string{member}}}}
			noteUnknownGroups(cmd, c, []iam.Policy{added})
		}
		return policy, err
	}}
	removeBinding = bindingVerb{"remove-iam-policy-binding", "Remove a member with a role from", func(c *adminclient.Client, cmd *cobra.Command, name, role, member string) (iam.Policy, error) {
		return c.RemoveBinding(cmd.Context(), name, role, member)
	}}
)

func newBinding(server *serverFlags, t policyTarget, v bindingVerb) *cobra.Command {
	var member, role, condition string
	cmd := policyCommand(server, t, v.verb, v.short,
		fmt.Sprintf("  gatehouse %s %s%s \\\n    --member=user:bob@example.com --role=%s", policyPath(t), v.verb, t.flags, iam.RoleHTTPSResourceAccessor),
		nil,
		func(cmd *cobra.Command, client *adminclient.Client, name string, _ []string) (iam.Policy, error) {
			return v.do(client, cmd, name, role, member)
		})
	cmd.Long = cmd.Short + `.
The policy is read, changed and written back; when somebody else writes it in between, that is done again.`
	flags := cmd.Flags()
	flags.StringVar(&member, "member", "", "`who`: user:ADDRESS, group:ADDRESS, serviceAccount:ADDRESS, domain:DOMAIN, allAuthenticatedUsers or allUsers")
	flags.StringVar(&role, "role", "", "the `role`; "+iam.RoleHTTPSResourceAccessor+" lets people use an application")
	flags.StringVar(&condition, "condition", "None", "only None: conditions are not supported yet")
	completeFlag(cmd, "role", iam.Roles()...)
	completeFlag(cmd, "member", "user:", "group:", "serviceAccount:", "domain:", "allAuthenticatedUsers", "allUsers")
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case member == "":
			return errors.New("--member is missing: say who, such as --member=user:bob@example.com")
		case role == "":
			return fmt.Errorf("--role is missing: to let people use an application, --role=%s", iam.RoleHTTPSResourceAccessor)
		case condition != "None":
			return errors.New("--condition: conditions are not supported yet; leave the flag out")
		}
		return check(cmd, args)
	}
	return cmd
}

// policyPath is where a target's commands are, for examples.
func policyPath(t policyTarget) string {
	if t.argument != "" {
		return "projects"
	}
	return "iap web"
}
