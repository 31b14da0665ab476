#include "crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <cstdlib>
#include <memory>
#include <span>

#include "crypto/digest.h"

namespace crypto {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
static_assert(kNonceBytes + kTagBytes == kAeadOverhead);

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

int size_of(std::string_view text) { return static_cast<int>(text.size()); }

// Nothing goes on with a text that was not sealed, or a key that was not derived.
void require(bool done) {
  if (!done) std::abort();
}

const EVP_CIPHER* cipher() {
  // Never freed: threads may still open while the process ends.
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return fetched;
}

// Of this thread. Each use sets the key and the nonce anew; the cipher stays, and with it what libcrypto
// allocated for it.
EVP_CIPHER_CTX* context() {
  struct Context {
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    Context() { require(context != nullptr && cipher() != nullptr); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_CIPHER_CTX_free(context); }
  };
  thread_local Context held;
  return held.context;
}

}  // namespace

std::array<uint8_t, 4> AeadKey::id() const {
  const Sha256 digest = sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string aead_seal(const AeadKey& key, std::string_view plain, std::string_view additional,
                      RandomSource& random) {
  require(plain.size() <= kAeadBytesMax && additional.size() <= kAeadBytesMax);
  std::string out(plain.size() + kAeadOverhead, '\0');
  unsigned char* nonce = bytes_of(out);
  unsigned char* sealed = nonce + kNonceBytes;
  unsigned char* tag = sealed + plain.size();
  random.fill({nonce, kNonceBytes});
  EVP_CIPHER_CTX* gcm = context();
  int length = 0;
  require(EVP_EncryptInit_ex2(gcm, cipher(), key.bytes.data(), nonce, nullptr) == 1 &&
          EVP_EncryptUpdate(gcm, nullptr, &length, bytes_of(additional), size_of(additional)) == 1 &&
          EVP_EncryptUpdate(gcm, sealed, &length, bytes_of(plain), size_of(plain)) == 1 &&
          EVP_EncryptFinal_ex(gcm, tag, &length) == 1 &&
          EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1);
  return out;
}

std::optional<std::string> aead_open(const AeadKey& key, std::string_view sealed,
                                     std::string_view additional) {
  if (sealed.size() < kAeadOverhead || sealed.size() > kAeadBytesMax + kAeadOverhead ||
      additional.size() > kAeadBytesMax) {
    return std::nullopt;
  }
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view tag = sealed.substr(sealed.size() - kTagBytes);
  const std::string_view text = sealed.substr(kNonceBytes, sealed.size() - kAeadOverhead);
  std::string out(text.size(), '\0');
  EVP_CIPHER_CTX* gcm = context();
  int length = 0;
  unsigned char rest[kTagBytes];  // GCM leaves nothing for the end
  const bool genuine =
      EVP_DecryptInit_ex2(gcm, cipher(), key.bytes.data(), bytes_of(nonce), nullptr) == 1 &&
      EVP_DecryptUpdate(gcm, nullptr, &length, bytes_of(additional), size_of(additional)) == 1 &&
      EVP_DecryptUpdate(gcm, bytes_of(out), &length, bytes_of(text), size_of(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, kTagBytes, const_cast<unsigned char*>(bytes_of(tag))) ==
          1 &&
      EVP_DecryptFinal_ex(gcm, rest, &length) == 1;
  if (!genuine) {
    ERR_clear_error();
    return std::nullopt;
  }
  return out;
}

AeadKey derive_aead_key(std::string_view secret, std::string_view purpose) {
  std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> hkdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr),
                                                         EVP_KDF_free);
  require(hkdf != nullptr);
  std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(hkdf.get()),
                                                                    EVP_KDF_CTX_free);
  require(context != nullptr);
  const auto octets = [](const char* name, std::string_view text) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(text.data()), text.size());
  };
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                             octets(OSSL_KDF_PARAM_KEY, secret), octets(OSSL_KDF_PARAM_INFO, purpose),
                             OSSL_PARAM_construct_end()};
  AeadKey key;
  require(EVP_KDF_derive(context.get(), key.bytes.data(), key.bytes.size(), parameters) == 1);
  return key;
}

}  // namespace crypto
