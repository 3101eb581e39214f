# Greets whoever Identity-Aware Proxy has let in: an App Engine app with WEBrick and the jwt gem.

require "json"
require "jwt"
require "net/http"
require "webrick"

METADATA = URI("http://metadata.google.internal/computeMetadata/v1/project/")
KEYS = URI("https://www.gstatic.com/iap/verify/public_key-jwk")
ISSUER = "https://cloud.google.com/iap"
SKEW = 30 # seconds by which clocks may differ

def fetch(uri, headers = {})
  answer = Net::HTTP.get_response(uri, headers)
  answer.value # raises unless it is a success
  answer.body
end

def metadata(item) = fetch(METADATA + item, "Metadata-Flavor" => "Google")

# IAP's keys, as a JWK set: asked for again each hour, and for an id that is new, though not at once for each that a
# stranger makes up.
class KeySet
  def initialize
    @lock, @fetched = Mutex.new, -Float::INFINITY
  end

  # What JWT.decode asks.
  def call(options)
    @lock.synchronize do
      now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      if now - @fetched > (options[:kid_not_found] ? 10 : 3600)
        @keys, @fetched = JSON.parse(fetch(KEYS), symbolize_names: true), now
      end
      @keys
    end
  end
end

Refused = Class.new(StandardError)

# Base64 can spell the same bytes in several ways. Two headers arrive as one with a comma.
SPELLING = /\A[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]\z/

# Greets on every path.
class Hello < WEBrick::HTTPServlet::AbstractServlet
  def initialize(server, audience, keys)
    super(server)
    @keys = keys
    @options = {
      algorithms: ["ES256"], jwks: keys, required_claims: %w[exp iat sub email], leeway: SKEW,
      iss: ISSUER, verify_iss: true, aud: audience, verify_aud: true
    }
  end

  def do_GET(request, response)
    response.content_type = "text/plain; charset=utf-8"
    response.body = "Hello #{verified(request["X-Goog-IAP-JWT-Assertion"].to_s)["email"]}\n"
  rescue Refused, JWT::DecodeError => e
    warn "refused: #{e.message}"
    response.status = 401
    response.body = "Who are you? Come in through Identity-Aware Proxy.\n"
  end

  private

  # The claims of a good assertion. What the gem does not look at is looked at here.
  def verified(assertion)
    raise Refused, "no assertion, or something else in its place" unless SPELLING.match?(assertion)

    claims, header = JWT.decode(assertion, nil, true, @options)
    unless header["typ"] == "JWT" && (header.keys & %w[jwk jku x5c x5u crit]).empty?
      raise Refused, "the header says what IAP does not say"
    end
    issued, expires = claims.values_at("iat", "exp")
    unless issued.is_a?(Integer) && expires.is_a?(Integer) && issued <= Time.now.to_i + SKEW && (1..600 + 2 * SKEW).cover?(expires - issued)
      raise Refused, "it is of the future, or lives longer than IAP lets it"
    end
    raise Refused, "it is for several apps, or about nobody" unless claims["aud"].is_a?(String) && claims["email"]

    claims
  end
end

audience = "/projects/#{metadata("numeric-project-id")}/apps/#{metadata("project-id")}"
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: ENV.fetch("PORT", 8080).to_i, AccessLog: [])
server.mount "/", Hello, audience, KeySet.new
%w[INT TERM].each { |signal| trap(signal) { server.shutdown } }
server.start
