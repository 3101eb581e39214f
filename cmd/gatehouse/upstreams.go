package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

func newUpstreamsCommand() *cobra.Command {
	cmd := commandGroup("upstreams", "See how the applications are reached", `Each service leads to one address of its application or to several, which are its upstreams.`)
	server := addServerFlags(cmd)
	cmd.AddCommand(newUpstreamsList(server))
	return cmd
}

func newUpstreamsList(server *serverFlags) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use: "list", Short: "List the addresses of the applications and how they are",
		Long: `List the addresses of the applications as the server sees them now. HEALTH is what health checks have found: HEALTHY,
UNHEALTHY, or UNKNOWN while none is back; nothing where the service has no healthCheck. CIRCUIT is open for an address that
could not be connected to several times in a row, and halfOpen while the next attempt is due or under way. IN_FLIGHT is the
number of requests under way, WebSockets among them.`,
		Example: "  gatehouse upstreams list\n  gatehouse upstreams list --service=app --format=json", Args: arguments(),
	}
	cmd.Flags().StringVar(&service, "service", "", "only those of the service with this `name`")
	format := addOutput(cmd, formatTable, formatYAML, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server.client(cmd)
		if err != nil {
			return err
		}
		upstreams, err := client.Upstreams(cmd.Context(), service)
		if err != nil {
			return err
		}
		rows := make([][]string, len(upstreams))
		for i, u := range upstreams {
			rows[i] = []string{u.Service, u.Address, u.HealthState, u.Circuit, strconv.FormatInt(u.InFlight, 10), u.Problem}
		}
		return format.printList(cmd, upstreams, []string{"SERVICE", "ADDRESS", "HEALTH", "CIRCUIT", "IN_FLIGHT", "PROBLEM"}, rows)
	}
	return cmd
}
