// Any bytes as a session's cookie open nothing. Any bytes as what stands inside one, or in the store, are a
// session of that one form or none; what is a session comes back through a seal.
#include <cstdlib>

#include "access/session.h"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::Sealer sealer(std::vector<crypto::AeadKey>(2));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require(!auth::open_session(text, {"staff", "a.example", "r"}, sealer));

  const auto session = auth::decode_session(text);
  if (!session) return 0;
  require(auth::encode_session(*session) == text);
  if (const auto identity = auth::identity_of(*session, {})) {
    require((*identity)->provider == session->provider && !(*identity)->subject.empty());
  }
  CountingRandom random;
  const std::string cookie = auth::seal_session(*session, sealer, random);
  if (cookie.size() > crypto::kAeadBytesMax) return 0;
  const auto opened =
      auth::open_session(cookie, {session->provider, session->host, session->registration}, sealer);
  require(opened.has_value() && opened->id == session->id && opened->ends == session->ends);
  if (!session->claims_in_store && auth::fits_cookie(*session)) require(*opened == *session);
  if (opened->claims_in_store) {
    auth::Session whole = *session;
    whole.claims_in_store = true;
    require(*auth::complete_session(*opened, *session) == whole);
  }
  return 0;
}
