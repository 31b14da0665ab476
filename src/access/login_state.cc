#include "access/login_state.h"

#include <algorithm>
#include <array>

#include "access/packed.h"
#include "base/bytes.h"
#include "crypto/digest.h"
#include "http/target.h"

namespace auth {
namespace {

constexpr std::string_view kPurpose = "login";
constexpr uint64_t kForm = 2;
constexpr size_t kStateSize = 43;
constexpr size_t kNameSize = 8;

auto refuse(const char* why) { return base::client_error(base::Reason::login_state_invalid, why); }

std::string random_text(crypto::RandomSource& random) {
  std::array<uint8_t, 32> bytes;
  random.fill(bytes);
  return base::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string encode(const LoginState& login) {
  Packer packer;
  packer.add_number(kForm);
  for (const std::string* text : {&login.state, &login.nonce, &login.verifier, &login.provider, &login.host,
                                  &login.registration, &login.return_to, &login.asked}) {
    packer.add_text(*text);
  }
  packer.add_number(static_cast<uint64_t>(login.began.ns));
  return packer.take();
}

base::Result<LoginState> decode(std::string_view text) {
  Unpacker unpacker(text);
  if (unpacker.take_number() != kForm) return refuse("the login was begun by another release of the gate");
  LoginState login;
  for (std::string* field : {&login.state, &login.nonce, &login.verifier, &login.provider, &login.host,
                             &login.registration, &login.return_to, &login.asked}) {
    *field = unpacker.take_text();
  }
  login.began.ns = static_cast<int64_t>(unpacker.take_number());
  if (!unpacker.complete()) return refuse("the login's cookie cannot be read");
  return login;
}

bool is_control(int byte) { return byte < 0x20 || byte == 0x7F; }

// The byte an escape at the front of text stands for; -1 when there is none.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = base::hex_value(text[1]);
  const int low = base::hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

// Line ends in a query would become header lines behind a reader that decodes before it redirects.
bool has_encoded_control(std::string_view query) {
  for (size_t at = query.find('%'); at != std::string_view::npos; at = query.find('%', at + 1)) {
    const int byte = escaped_byte(query.substr(at));
    if (byte >= 0 && is_control(byte)) return true;
  }
  return false;
}

}  // namespace

LoginState make_login_state(crypto::RandomSource& random) {
  LoginState login;
  login.state = random_text(random);
  login.nonce = random_text(random);
  login.verifier = random_text(random);
  return login;
}

std::string pkce_challenge(std::string_view verifier) {
  return base::base64url_encode(crypto::as_text(crypto::sha256(verifier)));
}

std::string login_cookie_name(std::string_view state) {
  if (state.size() != kStateSize || !base::base64url_decode(state)) return {};
  return std::string(kLoginCookiePrefix).append(state.substr(0, kNameSize));
}

std::string seal_login(const LoginState& login, const Sealer& sealer, crypto::RandomSource& random) {
  return sealer.seal(encode(login), {.purpose = kPurpose, .provider = login.provider, .host = login.host},
                     random);
}

base::Result<LoginState> open_login(const LoginReturn& back, const Sealer& sealer) {
  const SessionPlace& place = back.place;
  const auto plain =
      sealer.open(back.cookie, {.purpose = kPurpose, .provider = place.provider, .host = place.host});
  if (!plain) return refuse("the login was not begun in this browser");
  auto login = decode(*plain);
  if (!login) return login;
  if (login->provider != place.provider || login->host != place.host) {
    return refuse("the login was begun for another host");
  }
  if (login->registration != place.registration)
    return refuse("the login was begun with another issuer or client");
  if (login->state.empty() || login->state != back.state) return refuse("the login is another one");
  if (back.now >= login->began + kLoginTime) return refuse("the login took too long");
  if (!check_return_to(login->return_to)) return refuse("the login does not say where to return to");
  return login;
}

bool check_return_to(std::string_view path) {
  if (path.size() > kReturnToBytesMax) return false;
  std::string storage(path.size(), '\0');
  const auto target = http::normalise_target(path, storage);
  // Only what needs no repair: no two readers disagree about it.
  if (!target || !path.starts_with(target->path)) return false;
  if (target->path.size() + (target->has_query ? 1 + target->query.size() : 0) != path.size()) return false;
  // Decoded by somebody, "/%2F" begins with a host, and so does "/%20/" to who then drops white space. Words
  // in UTF-8 may stand there.
  const int first = escaped_byte(path.substr(1));
  if (first >= 0 && first < 0x80) return false;
  if (has_encoded_control(target->query)) return false;
  return !path.starts_with(kOwnPrefix) && target->path != kOwnPrefix.substr(0, kOwnPrefix.size() - 1);
}

}  // namespace auth
