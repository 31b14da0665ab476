// The sorts of single values a gate's files have: texts, numbers, durations, sizes, addresses, names. Used by
// the tables; each says in one sentence what is wrong and what to write instead. Nothing here knows a key.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/time.h"
#include "config/decode.h"
#include "config/settings.h"

namespace config {

// The node's text when it is text and not empty; else an error "must be NOUN, and this is ...".
std::optional<std::string_view> read_text(Decoder& decoder, const Node& node, std::string_view noun);
// {"type":"string", ...rest}
std::string text_schema_with(std::string_view rest);

void decode_text(Decoder&, const Node&, std::string&);
std::string text_schema(SchemaBook&);
inline constexpr Kind<std::string> kText = {decode_text, text_schema};

// A text that nobody but the gate is to read: no diagnostic quotes it or shows its line, and a warning says
// so where it stands in a file in clear.
std::optional<std::string_view> read_secret(Decoder& decoder, const Node& node);
void decode_secret(Decoder&, const Node&, std::string&);
inline constexpr Kind<std::string> kSecret = {decode_secret, text_schema};

// A path of the file system.
void decode_file_path(Decoder&, const Node&, std::string&);
inline constexpr Kind<std::string> kFilePath = {decode_file_path, text_schema};

// The mode of a file: "0660".
void decode_file_mode(Decoder&, const Node&, uint32_t&);
std::string file_mode_schema(SchemaBook&);
inline constexpr Kind<uint32_t> kFileMode = {decode_file_mode, file_mode_schema};

void decode_boolean(Decoder&, const Node&, bool&);
std::string boolean_schema(SchemaBook&);
inline constexpr Kind<bool> kBoolean = {decode_boolean, boolean_schema};

// --- Numbers ---

struct IntegerRange {
  uint64_t min;
  uint64_t max;
};
std::optional<uint64_t> read_integer(Decoder& decoder, const Node& node, IntegerRange range);
std::string integer_schema(IntegerRange range);

template <uint32_t kMin, uint32_t kMax>
inline constexpr Kind<uint32_t> kInteger = {[](Decoder& decoder, const Node& node, uint32_t& out) {
                                              if (auto value = read_integer(decoder, node, {kMin, kMax}))
                                                out = static_cast<uint32_t>(*value);
                                            },
                                            [](SchemaBook&) { return integer_schema({kMin, kMax}); }};

// "500ms", "30s", "5m", "1h"; within the bounds.
struct DurationRange {
  base::Duration min;
  base::Duration max;
};
void read_duration(Decoder& decoder, const Node& node, DurationRange range, base::Duration& out);
std::string duration_schema(SchemaBook&);
// The same outside a gate's files, of any length; nullopt: not a duration.
std::optional<base::Duration> parse_duration(std::string_view text);

template <int64_t kMinMs, int64_t kMaxMs>
inline constexpr Kind<base::Duration> kDuration = {
    [](Decoder& decoder, const Node& node, base::Duration& out) {
      read_duration(decoder, node, {base::milliseconds(kMinMs), base::milliseconds(kMaxMs)}, out);
    },
    duration_schema};
// The same where it may be absent.
template <int64_t kMinMs, int64_t kMaxMs>
inline constexpr Kind<std::optional<base::Duration>> kOptionalDuration = {
    [](Decoder& decoder, const Node& node, std::optional<base::Duration>& out) {
      kDuration<kMinMs, kMaxMs>.decode(decoder, node, out.emplace());
    },
    duration_schema};
// A wait: long enough to be meant, short enough to end.
inline constexpr auto& kTimeout = kDuration<1, 24 * 60 * 60 * 1000>;

// Between two machines.
inline constexpr auto& kClockSkew = kDuration<0, 5 * 60 * 1000>;

// "64KiB", "10MiB", "1GiB", or a plain number of bytes.
std::optional<uint64_t> read_size(Decoder& decoder, const Node& node, IntegerRange range);
std::string size_schema(SchemaBook&);

// --- One of a few words ---

template <class E>
struct Word {
  std::string_view word;
  E value;
};
// The index of the word, or an error with the nearest.
std::optional<size_t> read_word(Decoder& decoder, const Node& node, std::span<const std::string_view> words);
std::string words_schema(std::span<const std::string_view> words);

template <const auto& kWords>
struct OneOf {
  using E = decltype(kWords[0].value);
  static constexpr auto texts = [] {
    std::array<std::string_view, std::size(kWords)> out{};
    for (size_t i = 0; i < out.size(); ++i) out[i] = kWords[i].word;
    return out;
  }();
  static void decode(Decoder& decoder, const Node& node, std::remove_cv_t<E>& out) {
    if (auto index = read_word(decoder, node, texts)) out = kWords[*index].value;
  }
  static std::string schema(SchemaBook&) { return words_schema(texts); }
  static constexpr Kind<std::remove_cv_t<E>> kind = {decode, schema};
};
template <const auto& kWords>
inline constexpr auto kOneOf = OneOf<kWords>::kind;

// --- The network ---

// host:port, :port or unix:/path.
void decode_listen_address(Decoder&, const Node&, Address&);
// The same, reachable only from this machine or a private network.
void decode_admin_address(Decoder&, const Node&, Address&);
std::string listen_address_schema(SchemaBook&);
inline constexpr Kind<Address> kListenAddress = {decode_listen_address, listen_address_schema};
inline constexpr Kind<Address> kAdminAddress = {decode_admin_address, listen_address_schema};

// host:port, unix:/path, http://host:port or https://host:port.
void decode_backend_address(Decoder&, const Node&, Address&);
std::string backend_address_schema(SchemaBook&);
inline constexpr Kind<Address> kBackendAddress = {decode_backend_address, backend_address_schema};

void decode_network(Decoder&, const Node&, base::Network&);
// One whose members may be believed: not everybody.
void decode_trusted_network(Decoder&, const Node&, base::Network&);
void decode_ip(Decoder&, const Node&, std::optional<base::IpAddress>&);
std::string network_schema(SchemaBook&);
inline constexpr Kind<base::Network> kNetwork = {decode_network, network_schema};
inline constexpr Kind<base::Network> kTrustedNetwork = {decode_trusted_network, network_schema};
inline constexpr Kind<std::optional<base::IpAddress>> kIp = {decode_ip, text_schema};

// --- URLs ---

// An URL that the gate itself calls, in parts: views into its text.
struct WebUrl {
  // In clear text, a call to this machine itself is read by nobody else.
  enum class Guard : uint8_t { tls, loopback, none } guard = Guard::none;
  std::string_view host;  // an IPv6 address with its brackets
  std::string_view path;  // empty, or begins with '/'
  bool has_query = false;
  bool has_fragment = false;
};
// http or https, a host, perhaps a port; neither user nor password nor anything that is not printable ASCII.
std::optional<WebUrl> parse_web_url(std::string_view text);

// Where secrets are sent to: https, or http to this machine itself.
void decode_guarded_url(Decoder&, const Node&, std::string&);
std::string web_url_schema(SchemaBook&);
inline constexpr Kind<std::string> kGuardedUrl = {decode_guarded_url, web_url_schema};

// Of OpenID Connect: its discovery document is below it (Discovery 1.0 §3).
void decode_issuer(Decoder&, const Node&, std::string&);
inline constexpr Kind<std::string> kIssuer = {decode_issuer, web_url_schema};

// RFC 8707 §2: an absolute URI without a fragment.
void decode_resource(Decoder&, const Node&, std::string&);
std::string resource_schema(SchemaBook&);
inline constexpr Kind<std::string> kResource = {decode_resource, resource_schema};

// --- HTTP ---

// api.example.com or *.example.com, without a port.
void decode_host_pattern(Decoder&, const Node&, std::string&);
std::string host_pattern_schema(SchemaBook&);
inline constexpr Kind<std::string> kHostPattern = {decode_host_pattern, host_pattern_schema};

// https://app.example.com or https://*.example.com.
void decode_origin(Decoder&, const Node&, std::string&);
std::string origin_schema(SchemaBook&);
inline constexpr Kind<std::string> kOrigin = {decode_origin, origin_schema};

void decode_path_pattern(Decoder&, const Node&, std::string&);
std::string path_schema(SchemaBook&);
inline constexpr Kind<std::string> kPathPattern = {decode_path_pattern, path_schema};

void decode_method(Decoder&, const Node&, std::string&);
std::string method_schema(SchemaBook&);
inline constexpr Kind<std::string> kMethod = {decode_method, method_schema};

// Reports what is wrong with a pattern or a method that stands within node.
bool check_path_pattern(Decoder& decoder, const Node& node, std::string_view path);
bool check_method(Decoder& decoder, const Node& node, std::string_view method);

// RFC 9110 §5.6.2
bool is_token(std::string_view text);
bool is_host_name(std::string_view text);

}  // namespace config
