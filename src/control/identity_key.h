// The key the gate signs its identity assertions with: the one configured, or one it makes at its first start
// and keeps in the gate's folder. Also remembers the keys it used before, which stay published until the last
// assertion they signed has expired. Control thread only.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "access/assertion.h"
#include "base/time.h"
#include "config/files.h"
#include "config/settings.h"
#include "crypto/random.h"

namespace control {

class IdentityKey {
 public:
  // folder: the gate's, absolute.
  IdentityKey(std::string folder, crypto::RandomSource& random)
      : folder_(std::move(folder)), random_(random) {}

  // The signer for these settings; the same object as long as nothing about it changed. The error is a
  // sentence.
  std::expected<std::shared_ptr<const auth::AssertionSigner>, std::string> make_signer(
      const config::IdentitySettings& settings, base::WallTime now);

 private:
  struct Earlier {
    std::string jwk;
    base::WallTime until;
  };
  std::expected<std::string, std::string> read_or_make_pem(const config::IdentitySettings& settings);

  std::string folder_;
  crypto::RandomSource& random_;
  std::string made_pem_;  // when it could not be written: kept for this process
  std::string pem_;
  std::string issuer_;
  std::shared_ptr<const auth::AssertionSigner> signer_;
  std::vector<Earlier> earlier_;
};

}  // namespace control
