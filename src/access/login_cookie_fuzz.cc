// Any bytes as a login's cookie, or as what stands inside one. What opens is of the state and place it was
// opened for, not too old, and returns to a path of its host.
#include <cstdlib>

#include "access/login_state.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

class CountingRandom final : public crypto::RandomSource {
 public:
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = ++last_;
  }

 private:
  uint8_t last_ = 0;
};

constexpr std::string_view kState = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr auth::SessionPlace kPlace{.provider = "staff", .host = "a.example"};
constexpr base::WallTime kNow{1'800'000'000'000'000'000};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::Sealer sealer(std::vector<crypto::AeadKey>(1));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auth::LoginReturn as_cookie{.cookie = text, .state = kState, .place = kPlace, .now = kNow};
  require(!auth::open_login(as_cookie, sealer));

  const std::string name = auth::login_cookie_name(text);
  require(name.empty() || (text.size() == 43 && name.find_first_of(";=, \r\n\"\\") == std::string::npos));

  CountingRandom random;
  const std::string cookie = sealer.seal(text, {"login", kPlace.provider, kPlace.host}, random);
  const auto login =
      auth::open_login({.cookie = cookie, .state = kState, .place = kPlace, .now = kNow}, sealer);
  if (!login) return 0;
  require(login->state == kState && login->provider == kPlace.provider && login->host == kPlace.host);
  require(kNow < login->began + auth::kLoginTime);
  require(auth::check_return_to(login->return_to));
  random = {};
  require(auth::seal_login(*login, sealer, random) == cookie);
  return 0;
}
