// How the gate connects to backends over TLS: whom it trusts, what it shows. Compiled by the control thread;
// immutable and shared by workers. Verification is on unless settings say otherwise in so many words.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "tls/settings.h"

namespace tls {

class ClientContext {
 public:
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  Verification verification() const { return verification_; }
  const std::string& server_name() const { return server_name_; }
  ssl_ctx_st* ssl_context() const { return context_.get(); }

 private:
  friend std::expected<std::shared_ptr<const ClientContext>, std::string> compile_client_context(
      const ClientSettings& settings);
  ClientContext() = default;

  ContextHandle context_;
  Verification verification_ = Verification::full;
  std::string server_name_;
};

// The error is a sentence for the user.
std::expected<std::shared_ptr<const ClientContext>, std::string> compile_client_context(
    const ClientSettings& settings);

// The newest session with one endpoint, for the next connection to resume. One a worker and endpoint; what
// was made under another context or name is not used. One thread.
class SessionSlot {
 public:
  void keep(const std::shared_ptr<const ClientContext>& context, const std::string& name,
            SessionHandle session);
  // nullptr: none that fits. Still the slot's.
  ssl_session_st* find(const std::shared_ptr<const ClientContext>& context, const std::string& name) const;
  SessionHandle take() { return std::move(session_); }
  bool empty() const { return session_ == nullptr; }

 private:
  std::weak_ptr<const ClientContext> context_;
  std::string name_;
  SessionHandle session_;
};

}  // namespace tls
