// TLS over another stream, which it owns; itself a stream, so that whoever reads and writes need not know.
// One worker's, as the stream below is. First handshake(), then the rest of io::Stream. Never buffers data:
// what write() says was taken is encrypted and, but for one byte, on its way.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/stream.h"
#include "io/task.h"
#include "tls/certificate.h"
#include "tls/client_context.h"
#include "tls/handles.h"
#include "tls/server_context.h"
#include "tls/wire.h"

namespace tls {

// Whom a connection to a backend is made to.
struct ConnectTo {
  std::shared_ptr<const ClientContext> context;
  std::string_view name;                 // host or IP address, unless the context has a name of its own
  std::shared_ptr<SessionSlot> session;  // to resume from and to keep new sessions in; null: neither
};

class Stream final : public io::Stream {
 public:
  // below is connected. A failure to begin shows as the handshake's.
  static std::unique_ptr<Stream> accept(std::unique_ptr<io::Stream> below,
                                        std::shared_ptr<const ServerContext> context);
  static std::unique_ptr<Stream> connect(std::unique_ptr<io::Stream> below, const ConnectTo& to);
  ~Stream() override;

  enum class Progress : uint8_t { done, wants_read, wants_write };
  // One step, as far as it goes without waiting. wants_write: for writable or readable, whichever comes
  // first. Errors: tls_protocol_error, tls_certificate_error, tls_alert_received, and where the peer left
  // client_disconnected or connection_terminated; from a backend all are safe to retry.
  base::Result<Progress> step_handshake();
  // All of it. When the deadline passes: request_timeout or connection_timeout.
  io::Task<base::Result<>> handshake(io::Loop& loop, base::Instant deadline);

  // io::Stream. An end without TLS's own (close_notify) is failed with ECONNRESET, so that a body that ends
  // with its connection is seen to be cut; damaged records and the like are failed with EPROTO. A short read
  // does not mean drained; may_read() tells.
  io::IoResult read(std::span<char> into) override;
  // Small pieces leave in one record. When the stream below is full, one byte that has been encrypted is
  // not counted as taken yet, so that the caller comes back and the rest goes out: what is offered next must
  // go on with that byte, as a stream's bytes do.
  io::IoResult write(std::span<const iovec> pieces) override;
  // close_notify, then the end below.
  void shutdown_write() override;
  void reset_on_close() override;
  int connect_error() override { return wire_.below().connect_error(); }
  bool may_read() const override;
  bool peer_gone() const override { return wire_.below().peer_gone(); }
  io::Signal& readable() override { return wire_.below().readable(); }
  io::Signal& writable() override { return wire_.below().writable(); }
  io::Signal& gone() override { return wire_.below().gone(); }

  // After the handshake.
  std::string_view alpn() const;  // empty: none agreed on
  // What the client named, in lower case; of a connection to a backend the name verified.
  const std::string& sni() const { return sni_; }
  Version version() const;
  std::string_view cipher() const;  // "TLS_AES_128_GCM_SHA256"
  bool resumed() const;
  // The peer's verified certificate (unless verification is off); nullopt: it showed none. Made on each call:
  // keep it. A resumed session has it too.
  std::optional<CertificateInfo> peer_certificate() const;
  bool has_peer_certificate() const;
  // Whether the peer's certificate leads to one of these, by the certificates it sent, under the handshake's
  // own conditions but for the time: until when all of them hold. nullopt: it does not, or there is none.
  // Signatures are verified anew on each call, but for the authorities that the handshake asked: keep it.
  std::optional<base::WallTime> vouched_until(const TrustStore& authorities) const;
  // The verified certificates between the peer's and the authority, DER, the peer's issuer first. None of a
  // resumed session, which has the peer's own alone.
  std::vector<std::string> peer_issuers() const;
  // Of a server's: whether requests for this host (lower case, without port) may come over this connection,
  // because its certificate would have been served for it too. Else RFC 9110 §15.5.20: 421.
  bool serves(std::string_view host) const;

  // Why reading, writing or the handshake failed; reason none until then.
  const base::Error& failure() const { return failure_; }
  // The client began with a plain HTTP request (GET, HEAD, POST, PUT). Nothing was sent to it: it can be
  // answered through below().
  bool spoke_plain_http() const { return plain_http_; }
  io::Stream& below() { return wire_.below(); }

  // For libssl's callbacks.
  static Stream& of(const ssl_st* ssl);
  static void on_state_change(const ssl_st* ssl, int where, int value);
  bool choose_site(const ServerContext& context, std::span<const uint8_t> server_name);
  const ServerContext* server() const { return server_.get(); }
  void keep_session(SessionHandle session);

 private:
  enum class State : uint8_t { handshaking, open, ended, failed };

  Stream(std::unique_ptr<io::Stream> below, base::Side peer) : peer_(peer), wire_(*this, std::move(below)) {}
  void begin(ssl_ctx_st* context);
  bool set_peer_name(const ClientContext& context, const std::string& name);
  void finish_handshake();
  void fail_from_queue();
  void send_rest();
  base::Error timed_out() const;
  void fail(base::Error error, int number);
  io::IoResult failed() const { return {io::IoResult::Kind::failed, 0, errno_}; }
  // What SSL_read or SSL_write returning nothing means.
  io::IoResult::Kind after_failed_call(int outcome);

  // Lets libssl's callbacks find the stream behind a wire.
  struct OwnWire : Wire {
    OwnWire(Stream& stream, std::unique_ptr<io::Stream> below) : Wire(std::move(below)), owner(stream) {}
    Stream& owner;
  };

  const base::Side peer_;
  State state_ = State::handshaking;
  bool reset_ = false;
  bool plain_http_ = false;
  bool shut_ = false;      // our close_notify is on its way, or never will be
  bool fin_due_ = false;   // the end below waits for what is unsent
  bool withheld_ = false;  // the last byte encrypted has not been counted as taken
  bool partial_ = false;   // what libssl holds is less than a record
  uint16_t record_max_ = 16 * 1024;
  int errno_ = 0;
  uint32_t control_messages_ = 0;
  uint64_t bytes_read_ = 0;
  base::Error failure_{.reason = base::Reason::none};
  std::shared_ptr<const ServerContext> server_;
  std::shared_ptr<const ClientContext> client_;
  std::shared_ptr<SessionSlot> session_;
  const Site* site_ = nullptr;
  std::string sni_;
  OwnWire wire_;
  SslHandle ssl_;  // goes before the wire
};

}  // namespace tls
