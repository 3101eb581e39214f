# Verifies IAP assertions with Google's own library, as its verify_iap does.
#
# Usage: googleauth.rb AUDIENCE KEYS_URL, assertions on standard input, one a line. Prints a line of JSON for each:
# {"claims": {...}}, or {"refused": "why"}.

require "json"
require "net/http"
require "openssl"
require "googleauth/id_tokens"


audience, keys = ARGV
# The version that Debian has cannot read a JWK of an elliptic curve with OpenSSL 3. Its keys come from the PEM form
# instead; all the rest is what verify_iap makes.
published = JSON.parse(Net::HTTP.get(URI("#{keys}/public_key")))
source = Google::Auth::IDTokens::StaticKeySource.new(published.map { |id, pem| Google::Auth::IDTokens::KeyInfo.new id: id, key: OpenSSL::PKey.read(pem), algorithm: "ES256" })
verifier = Google::Auth::IDTokens::Verifier.new key_source: source, aud: audience, iss: Google::Auth::IDTokens::IAP_ISSUERS
$stdin.each_line(chomp: true) do |token|
  begin
    puts JSON.generate("claims" => verifier.verify(token))
  rescue StandardError => e # one that is not meant for callers stops the request as well
    puts JSON.generate("refused" => "#{e.class}: #{e.message}")
  end
end
