// Owners of libssl's objects, by their struct names, so that its headers stay in this folder's .cc files.
// Private to tls/.
#pragma once

#include <memory>

struct evp_pkey_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct x509_st;
struct x509_store_st;

namespace tls {

struct Release {
  void operator()(evp_pkey_st* key) const;
  void operator()(ssl_ctx_st* context) const;
  void operator()(ssl_session_st* session) const;
  void operator()(ssl_st* ssl) const;
  void operator()(x509_st* certificate) const;
  void operator()(x509_store_st* store) const;
};

using KeyHandle = std::unique_ptr<evp_pkey_st, Release>;
using ContextHandle = std::unique_ptr<ssl_ctx_st, Release>;
using SessionHandle = std::unique_ptr<ssl_session_st, Release>;
using SslHandle = std::unique_ptr<ssl_st, Release>;
using X509Handle = std::unique_ptr<x509_st, Release>;
using StoreHandle = std::unique_ptr<x509_store_st, Release>;

}  // namespace tls
