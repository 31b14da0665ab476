#include "control/identity_key.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "control/state_folder.h"

namespace control {
namespace {

constexpr char kKeyFile[] = "/identity-key.pem";
constexpr size_t kPemBytesMax = 64 * 1024;

}  // namespace

std::expected<std::string, std::string> IdentityKey::read_or_make_pem(
    const config::IdentitySettings& settings) {
  config::DiskFiles files(folder_);
  if (!settings.key_file.empty()) {
    auto pem = files.read(settings.key_file, kPemBytesMax);
    if (!pem) return std::unexpected("the identity key " + settings.key_file + " cannot be read");
    return *pem;
  }
  std::string path = folder_ + "/" + std::string(kStateFolder) + kKeyFile;
  if (auto kept = files.read(path, kPemBytesMax)) return *kept;
  if (!made_pem_.empty()) return made_pem_;
  auto made = crypto::SigningKey::generate(crypto::Algorithm::es256);
  if (!made) return std::unexpected(std::string("no identity key can be made: ") + made.error());
  std::string pem = made->to_pem();
  make_state_folder(folder_);
  if (write_new_file(path, pem, 0600)) return pem;
  if (auto kept = files.read(path, kPemBytesMax)) return *kept;
  spdlog::warn(
      "the identity key cannot be kept in {}: {}; it will be another after a restart. Name one with "
      "identity.key_file, as several gates of one fleet must",
      path, std::strerror(errno));
  made_pem_ = pem;
  return pem;
}

std::expected<std::shared_ptr<const auth::AssertionSigner>, std::string> IdentityKey::make_signer(
    const config::IdentitySettings& settings, base::WallTime now) {
  auto pem = read_or_make_pem(settings);
  if (!pem) return std::unexpected(pem.error());
  std::string issuer = settings.issuer;
  if (issuer.empty()) issuer = "urn:gatehouse:" + std::filesystem::path(folder_).filename().string();
  size_t before = earlier_.size();
  std::erase_if(earlier_, [&](const Earlier& key) { return key.until < now; });
  bool same = signer_ != nullptr && *pem == pem_ && issuer == issuer_ && before == earlier_.size();
  if (same) return signer_;
  auto key = crypto::SigningKey::from_pem(crypto::Algorithm::es256, *pem);
  if (!key)
    return std::unexpected(std::string("the identity key is not an EC P-256 private key in PEM: ") +
                           key.error());
  if (signer_ != nullptr && *pem != pem_) {
    base::WallTime until{now.ns + auth::kAssertionLifeMax.ns * 2};
    earlier_.push_back({signer_->key().public_jwk(), until});
  }
  std::vector<std::string> earlier_jwks;
  for (const Earlier& earlier : earlier_) earlier_jwks.push_back(earlier.jwk);
  signer_ = std::make_shared<const auth::AssertionSigner>(auth::AssertionSigner::Setup{
      .key = std::move(*key), .earlier_jwks = std::move(earlier_jwks), .issuer = issuer});
  pem_ = *pem;
  issuer_ = issuer;
  return signer_;
}

}  // namespace control
