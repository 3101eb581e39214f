package config

import (
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

func limitsKeys(l *listener.Limits) []key {
	standard := listener.DefaultLimits()
	number := func(name string, target *int, standard, least, most int, example, meaning string) key {
		return key{name: name, restart: true, standard: strconv.Itoa(standard), example: example, value: within(target, least, most), meaning: meaning}
	}
	period := func(name string, target *time.Duration, standard time.Duration, example, meaning string) key {
		return key{name: name, restart: true, standard: short(standard), example: example, value: duration(target), meaning: meaning}
	}
	const kilo, most = 1 << 10, 1_000_000
	return []key{
		number("maxHeaderBytes", &l.MaxHeaderBytes, standard.MaxHeaderBytes, 8*kilo, 1024*kilo, "131072",
			"The longest header of a request: names and values, and 32 bytes for each field. What is longer gets 431, and a page that says to delete cookies."),
		number("maxURLBytes", &l.MaxURLBytes, standard.MaxURLBytes, kilo, 1024*kilo, "8192",
			"The longest address of a request, from its path on. What is longer gets 414. The header's limit holds for it too."),
		period("headerTimeout", &l.HeaderTimeout, standard.HeaderTimeout, "5s",
			"How long a TLS handshake may take, and then a header; after that the connection is closed. In HTTP/2 a header that stops is closed after 45s, whatever is written here."),
		period("idleTimeout", &l.IdleTimeout, standard.IdleTimeout, "75s",
			"How long a connection is kept open on which no request is under way. WebSockets and event streams are under way for as long as they last."),
		period("bodyTimeout", &l.BodyTimeout, standard.BodyTimeout, "30s",
			"How long a body may stand still while the application waits for it, before it answers; then 408. It does not hold for gRPC over HTTP/2, whose streams may be silent."),
		period("sendTimeout", &l.SendTimeout, standard.SendTimeout, "30s",
			"How long a client may leave untaken what it is sent; then the connection is closed, or the stream of HTTP/2 is reset."),
		number("maxConcurrentStreams", &l.MaxStreams, standard.MaxStreams, 1, most, "250",
			"How many requests may be under way on one connection of HTTP/2. WebSockets and event streams count for as long as they last."),
		number("maxResetsPerMinute", &l.MaxResets, standard.MaxResets, 1, most, "1000",
			"How many requests that are under way one connection of HTTP/2 may take back in a minute, beyond as many as it lets run to their end; then it is closed. It does not hold for trusted proxies, which stand for many people."),
		number("maxConnections", &l.MaxConnections, standard.MaxConnections, 0, most, "50000",
			"How many connections the listener has at most; 0 is no limit. Further ones are closed at once. The process needs to be allowed twice as many open files."),
		number("maxConnectionsPerAddress", &l.MaxConnectionsPerAddress, standard.MaxConnectionsPerAddress, 0, most, "5000",
			"How many of them one address has at most, or one network of 64 bits of IPv6; 0 is no limit. Further ones are closed at once. An office behind one address counts as one: raise it there. It does not hold for trusted proxies."),
	}
}

func within(target *int, least, most int) value {
	return scalar[int]{target: target, what: "a number", tags: []string{"!!int"}, parse: func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, wrong(fmt.Sprintf("is not from %d to %d", least, most), "write a number that is, or leave the key out")
		}
		return n, nil
	}}
}

// maxDuration bounds what is still a time-out.
const maxDuration = 24 * time.Hour

func duration(target *time.Duration) value {
	return scalar[time.Duration]{target: target, what: "a duration", parse: func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < time.Second || d > maxDuration {
			return 0, wrong("is not a duration from 1s to 24h", "write it with its unit, such as 30s or 2m")
		}
		return d, nil
	}}
}

// short writes a duration as people do.
func short(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}
