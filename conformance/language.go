package conformance

import (
	"net/http"
	"strings"
)

// Language is what an application is written in.
type Language string

// The languages that have a remedy of their own.
const (
	Go     Language = "go"
	Python Language = "python"
	Node   Language = "node"
	Java   Language = "java"
	Ruby   Language = "ruby"
	PHP    Language = "php"
	CSharp Language = "csharp"
)

// Languages returns them.
func Languages() []Language { return []Language{Go, Python, Node, Java, Ruby, PHP, CSharp} }

// traces are what servers say of themselves, in lower case. Longer words come before those that they contain.
var traces = []struct {
	word     string
	language Language
}{
	{"gunicorn", Python}, {"uvicorn", Python}, {"hypercorn", Python}, {"werkzeug", Python}, {"waitress", Python}, {"daphne", Python},
	{"tornadoserver", Python}, {"wsgiserver", Python}, {"basehttp/", Python}, {"python/", Python}, {"aiohttp", Python}, {"cherrypy", Python},
	{"express", Node}, {"next.js", Node}, {"koa", Node}, {"nuxt", Node}, {"sails", Node}, {"node", Node},
	{"jetty", Java}, {"tomcat", Java}, {"apache-coyote", Java}, {"undertow", Java}, {"servlet", Java}, {"jboss", Java}, {"glassfish", Java},
	{"puma", Ruby}, {"webrick", Ruby}, {"passenger", Ruby}, {"unicorn", Ruby}, {"thin ", Ruby}, {"falcon", Ruby},
	{"php", PHP},
	{"kestrel", CSharp}, {"asp.net", CSharp}, {"microsoft-httpapi", CSharp}, {"microsoft-iis", CSharp},
}

// Detect guesses the language from what a server says of itself, "" when it says nothing. Go's says nothing.
func Detect(header http.Header) Language {
	for _, name := range []string{"X-Powered-By", "Server", "X-Aspnet-Version"} {
		for _, value := range header.Values(name) {
			if name == "X-Aspnet-Version" {
				return CSharp
			}
			value = strings.ToLower(value)
			for _, trace := range traces {
				if strings.Contains(value, trace.word) {
					return trace.language
				}
			}
		}
	}
	return ""
}
