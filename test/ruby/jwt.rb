# Verifies IAP assertions with the jwt gem, with everything switched on that it offers for them.
#
# Usage: jwt.rb AUDIENCE KEYS_URL, assertions on standard input, one a line. Prints a line of JSON for each:
# {"claims": {...}}, or {"refused": "why"}.

require "json"
require "jwt"
require "net/http"

audience, keys = ARGV
set = JSON.parse(Net::HTTP.get(URI("#{keys}/public_key-jwk")), symbolize_names: true)
options = {
  algorithms: ["ES256"], jwks: set,
  iss: "https://cloud.google.com/iap", verify_iss: true, aud: audience, verify_aud: true, verify_iat: true
}
$stdin.each_line(chomp: true) do |token|
  begin
    claims, = JWT.decode(token, nil, true, options)
    puts JSON.generate("claims" => claims)
  rescue StandardError => e # one that is not meant for callers stops the request as well
    puts JSON.generate("refused" => "#{e.class}: #{e.message}")
  end
end
