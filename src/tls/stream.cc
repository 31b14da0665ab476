#include "tls/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "tls/client_hello.h"
#include "tls/failure.h"
#include "tls/site.h"

namespace tls {
namespace {

using base::Reason;
using Kind = io::IoResult::Kind;

// Key updates, tickets and warnings cost a peer a few bytes each and us a key derivation. libssl reports each
// about twice; this many, and as many more as data come, are plenty for any honest peer.
constexpr uint32_t kControlMessagesMax = 100;
constexpr uint64_t kBytesPerControlMessage = 64 * 1024;

// libssl judges a call by its error queue, which must not hold what another call left.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

// Walks over a write's pieces, a record's worth at a time.
class Gather {
 public:
  Gather(std::span<const iovec> pieces, size_t record_max) : pieces_(pieces), record_max_(record_max) {
    settle();
  }

  bool done() const { return pieces_.empty(); }
  void skip(size_t count) {
    while (count > 0 && !done()) count -= advance(std::min(count, left()));
  }
  // The next record's bytes: where they lie if one piece fills it, else copied together.
  std::string_view next() {
    if (left() >= record_max_ || pieces_.size() == 1) {
      std::string_view bytes(at(), std::min(left(), record_max_));
      advance(bytes.size());
      return bytes;
    }
    static thread_local char together[16 * 1024];
    size_t size = 0;
    while (!done() && size < record_max_) {
      size_t count = std::min(left(), record_max_ - size);
      std::copy_n(at(), count, together + size);
      size += advance(count);
    }
    return {together, size};
  }

 private:
  const char* at() const { return static_cast<const char*>(pieces_[0].iov_base) + offset_; }
  size_t left() const { return pieces_[0].iov_len - offset_; }
  size_t advance(size_t count) {
    offset_ += count;
    settle();
    return count;
  }
  void settle() {
    while (!pieces_.empty() && offset_ == pieces_[0].iov_len) {
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
  }

  std::span<const iovec> pieces_;
  size_t offset_ = 0;
  size_t record_max_;
};

std::string_view without_brackets(std::string_view name) {
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') return name.substr(1, name.size() - 2);
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

}  // namespace

std::unique_ptr<Stream> Stream::accept(std::unique_ptr<io::Stream> below,
                                       std::shared_ptr<const ServerContext> context) {
  std::unique_ptr<Stream> out(new Stream(std::move(below), base::Side::client));
  out->server_ = std::move(context);
  out->site_ = &out->server_->default_site();
  out->begin(out->site_->context.get());
  if (out->ssl_) SSL_set_accept_state(out->ssl_.get());
  return out;
}

std::unique_ptr<Stream> Stream::connect(std::unique_ptr<io::Stream> below, const ConnectTo& to) {
  std::unique_ptr<Stream> out(new Stream(std::move(below), base::Side::backend));
  out->client_ = to.context;
  out->session_ = to.session;
  std::string_view name = to.context->server_name().empty() ? to.name : to.context->server_name();
  out->sni_ = base::lowercase(without_brackets(name));
  out->begin(to.context->ssl_context());
  if (!out->ssl_) return out;
  SSL* ssl = out->ssl_.get();
  SSL_set_connect_state(ssl);
  if (!out->set_peer_name(*to.context, out->sni_)) {
    out->fail({Reason::tls_certificate_error, base::Side::gate, base::Retry::never,
               "there is no name to verify the backend's certificate by"},
              EPROTO);
  }
  if (out->session_) {
    if (auto* session = out->session_->find(out->client_, out->sni_)) SSL_set_session(ssl, session);
  }
  return out;
}

void Stream::begin(ssl_ctx_st* context) {
  ssl_.reset(SSL_new(context));
  BIO* bio = ssl_ ? wire_.make_bio() : nullptr;
  if (bio != nullptr) {
    SSL_set_bio(ssl_.get(), bio, bio);
    return;
  }
  ssl_.reset();
  forget_errors();
  fail({Reason::proxy_internal_error, base::Side::gate, base::Retry::never, "no memory for a TLS connection"},
       ENOMEM);
}

bool Stream::set_peer_name(const ClientContext& context, const std::string& name) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_.get());
  bool is_address = X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
  forget_errors();
  // RFC 6066 §3: an address is no server name.
  if (!is_address && !name.empty()) SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
  if (context.verification() == Verification::insecurely_off || is_address) return true;
  // RFC 9525 §6.3: alternative names only, "*" only for a whole label.
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return !name.empty() && X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size()) == 1;
}

Stream::~Stream() {
  bool close_properly =
      (state_ == State::open || state_ == State::ended) && !shut_ && !reset_ && !withheld_ && !peer_gone();
  if (close_properly) SSL_shutdown(ssl_.get());
  if (close_properly || (fin_due_ && !reset_)) wire_.flush();
  forget_errors();
}

Stream& Stream::of(const ssl_st* ssl) { return static_cast<OwnWire&>(Wire::of(SSL_get_rbio(ssl))).owner; }

void Stream::on_state_change(const ssl_st* ssl, int where, int) {
  Stream& stream = of(ssl);
  if (stream.state_ == State::handshaking) {
    // Between the client's Finished and the tickets: nothing the client waits for comes any more.
    if (SSL_is_server(ssl) && SSL_version(ssl) == TLS1_3_VERSION &&
        SSL_get_state(ssl) == TLS_ST_SR_FINISHED) {
      stream.wire_.hold();
    }
    return;
  }
  if ((where & (SSL_CB_LOOP | SSL_CB_ALERT)) == 0) return;
  if (++stream.control_messages_ > kControlMessagesMax + stream.bytes_read_ / kBytesPerControlMessage) {
    stream.wire_.exhaust();
  }
}

bool Stream::choose_site(const ServerContext& context, std::span<const uint8_t> server_name) {
  auto name = parse_server_name(server_name);
  sni_ = name ? base::lowercase(*name) : std::string();
  const Site* site = context.choose(sni_);
  if (site == nullptr) return false;
  site_ = site;
  SSL_set_SSL_CTX(ssl_.get(), site->context.get());
  // A ticket opens only under this: the name, and the policy for client certificates.
  std::string bound(crypto::as_text(context.policy()));
  crypto::Sha256 id = crypto::sha256(bound.append(sni_));
  return SSL_set_session_id_context(ssl_.get(), id.data(), id.size()) == 1;
}

void Stream::keep_session(SessionHandle session) {
  if (session_) session_->keep(client_, sni_, std::move(session));
}

void Stream::fail(base::Error error, int number) {
  state_ = State::failed;
  failure_ = error;
  errno_ = number;
}

base::Error Stream::timed_out() const {
  if (peer_ == base::Side::client) {
    return {Reason::request_timeout, peer_, base::Retry::never, "the TLS handshake was not finished in time"};
  }
  return {Reason::connection_timeout, peer_, base::Retry::safe, "the TLS handshake was not finished in time"};
}

// Of the handshake or of an open connection; libssl's queue says which.
void Stream::fail_from_queue() {
  Failure failure = take_failure(ssl_.get(), peer_);
  plain_http_ = failure.plain_http;
  int number = EPROTO;
  if (wire_.exhausted()) {
    failure.error.detail = "the peer sends too much besides data";
  } else if (failure.cut) {
    number = wire_.error() != 0 ? wire_.error() : ECONNRESET;
    failure.error.reason =
        peer_ == base::Side::client ? Reason::client_disconnected : Reason::connection_terminated;
    failure.error.detail = "the connection was cut without TLS's own end";
    if (state_ == State::handshaking) failure.error.detail = "the peer left during the TLS handshake";
  }
  if (state_ == State::handshaking && peer_ == base::Side::backend) failure.error.retry = base::Retry::safe;
  wire_.flush();  // an alert that says why
  fail(failure.error, number);
}

void Stream::finish_handshake() {
  state_ = State::open;
  wire_.stop_holding();
  wire_.allow(Wire::kIdleBytesMax);
  // RFC 6066 §4: a client may ask for records of 512 bytes and more.
  uint8_t code = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl_.get()));
  if (code >= TLSEXT_max_fragment_length_512 && code <= TLSEXT_max_fragment_length_4096) {
    record_max_ = static_cast<uint16_t>(512 << (code - 1));
  }
}

base::Result<Stream::Progress> Stream::step_handshake() {
  if (state_ == State::failed) return base::fail(failure_);
  if (state_ != State::handshaking) {
    // Done, but for what the stream below has not taken; its failure is told by the first read or write.
    return wire_.flush() || wire_.error() != 0 ? Progress::done : Progress::wants_write;
  }
  forget_errors();
  if (wire_.unsent()) wire_.flush();
  int outcome = SSL_do_handshake(ssl_.get());
  if (outcome == 1) {
    bool holding = wire_.holding();
    finish_handshake();
    return holding || wire_.flush() ? Progress::done : Progress::wants_write;
  }
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return wire_.unsent() ? Progress::wants_write : Progress::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return Progress::wants_write;
    default:
      fail_from_queue();
      return base::fail(failure_);
  }
}

io::Task<base::Result<>> Stream::handshake(io::Loop& loop, base::Instant deadline) {
  for (;;) {
    auto step = step_handshake();
    if (!step) co_return std::unexpected(step.error());
    if (*step == Progress::done) co_return base::Result<>();
    if (co_await io::wait_for(loop, deadline, readable(), writable()) == io::Wake::timed_out) {
      fail(timed_out(), ETIMEDOUT);
      co_return base::fail(failure_);
    }
  }
}

Kind Stream::after_failed_call(int outcome) {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Kind::would_block;
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::ended;
      return Kind::end;
    default:
      fail_from_queue();
      return Kind::failed;
  }
}

void Stream::send_rest() {
  if (!wire_.flush() || !fin_due_) return;
  fin_due_ = false;
  wire_.below().shutdown_write();
}

io::IoResult Stream::read(std::span<char> into) {
  if (state_ == State::ended) return {Kind::end, 0, 0};
  if (state_ == State::failed) return failed();
  if (state_ == State::handshaking) return {};
  forget_errors();
  size_t total = 0;
  Kind kind = Kind::would_block;
  partial_ = false;
  while (total < into.size()) {
    size_t count = 0;
    int outcome = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &count);
    if (outcome != 1) {
      kind = after_failed_call(outcome);
      partial_ = kind == Kind::would_block;
      break;
    }
    total += count;
    bytes_read_ += count;
    wire_.allow(Wire::kIdleBytesMax);
    if (SSL_has_pending(ssl_.get()) == 0) break;
  }
  // An end or failure met behind these bytes is told by the next call.
  if (total > 0) return {Kind::bytes, total, 0};
  if (kind == Kind::failed) return failed();
  if (wire_.unsent()) send_rest();
  return {kind, 0, 0};
}

io::IoResult Stream::write(std::span<const iovec> pieces) {
  if (state_ == State::failed) return failed();
  if (state_ == State::handshaking) return {};
  if (shut_) return {Kind::failed, 0, EPIPE};
  forget_errors();
  Gather gather(pieces, record_max_);
  size_t taken = 0;
  if (withheld_) {
    if (!wire_.flush()) {
      if (wire_.error() == 0) return {};
      fail_from_queue();
      return failed();
    }
    withheld_ = false;
    gather.skip(1);
    taken = 1;
  }
  while (!gather.done()) {
    std::string_view record = gather.next();
    size_t count = 0;
    // The wire takes records whole, so that this never has to be repeated.
    if (SSL_write_ex(ssl_.get(), record.data(), record.size(), &count) != 1 || count != record.size()) {
      fail_from_queue();
      return taken > 0 ? io::IoResult{Kind::bytes, taken, 0} : failed();
    }
    taken += count;
    if (wire_.unsent()) {
      withheld_ = true;
      --taken;
      break;
    }
  }
  if (taken == 0 && withheld_) return {};
  return {Kind::bytes, taken, 0};
}

void Stream::shutdown_write() {
  if (shut_) return;
  if (state_ == State::open || state_ == State::ended) {
    forget_errors();
    SSL_shutdown(ssl_.get());
    forget_errors();
  }
  shut_ = true;
  fin_due_ = true;
  send_rest();
}

void Stream::reset_on_close() {
  reset_ = true;
  wire_.below().reset_on_close();
}

bool Stream::may_read() const {
  if (wire_.below().may_read() || state_ == State::ended || state_ == State::failed) return true;
  return state_ == State::open && !partial_ && SSL_has_pending(ssl_.get()) == 1;
}

std::string_view Stream::alpn() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  if (ssl_) SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

Version Stream::version() const {
  return SSL_version(ssl_.get()) == TLS1_3_VERSION ? Version::tls13 : Version::tls12;
}

std::string_view Stream::cipher() const {
  return SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl_.get()));
}

bool Stream::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

bool Stream::serves(std::string_view host) const { return server_ && server_->choose(host) == site_; }

}  // namespace tls
