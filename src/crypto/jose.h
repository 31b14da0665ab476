// What verifying and signing share: which digest and padding an algorithm means, and ECDSA signatures between
// DER (libcrypto) and r||s (JOSE). Private to crypto/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/algorithm.h"
#include "crypto/public_key.h"

// libcrypto's types by their struct names, so that its headers stay in .cc files.
struct evp_md_st;
struct evp_md_ctx_st;
struct evp_pkey_st;
struct evp_pkey_ctx_st;

namespace crypto {

bool is_rsa_pss(Algorithm algorithm);
// Fetched once for the process; nullptr for EdDSA, which hashes on its own.
const evp_md_st* digest_method(Algorithm algorithm);
// Bytes of one coordinate or of r or s; 0 for keys that are not on such a curve.
size_t field_bytes(KeyType type);
const char* curve_name(KeyType type);  // as libcrypto calls it

// nullopt when the type or curve is none the gate uses.
std::optional<KeyType> key_type_of(evp_pkey_st* key);

// signature is r||s, each of field_bytes.
std::optional<std::string> ecdsa_to_der(std::string_view signature);
std::optional<std::string> ecdsa_from_der(std::string_view der, size_t field_bytes);

// An EVP_MD_CTX of this thread, reset; so that a verification does not make one.
evp_md_ctx_st* thread_context();

// RSA padding for the algorithm (RFC 7518 §3.5: the salt is as long as the hash). True for other key types.
bool set_padding(evp_pkey_ctx_st* context, Algorithm algorithm);

}  // namespace crypto
