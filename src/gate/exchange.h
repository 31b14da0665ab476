// One request and its answer, from the first byte to the record: THE REQUEST PATH. run() in exchange.cc is
// its table of contents; each stage returns there and never calls the next. Made by a worker for each
// request, lives in that request's coroutine, and leaves exactly one record, also when it is cancelled.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/challenge.h"
#include "access/credential.h"
#include "access/login_state.h"
#include "access/rules.h"
#include "backends/pool.h"
#include "base/result.h"
#include "gate/grpc_call.h"
#include "gate/relay.h"
#include "gate/scratch.h"
#include "gate/snapshot.h"
#include "gate/worker.h"
#include "http/origin.h"
#include "http/stream.h"
#include "http/target.h"
#include "io/task.h"
#include "telemetry/record.h"

namespace tls {
class Stream;
}

namespace gate {

// What the gate answers for itself, on every host.
using auth::kOwnPrefix;
inline constexpr std::string_view kReasonsPath = "/.well-known/gatehouse/reasons/";

// Tries at backends for one request.
inline constexpr uint32_t kAttemptsMax = 3;
static_assert(kAttemptsMax <= telemetry::ExchangeRecord::kAttemptsMax);

// What docs/reasons.md says about a reason; empty when there is none of that name. Lives for ever.
std::string_view reason_document(std::string_view name);

// The whole answer to a connection that is one too many. Lives for ever.
std::string_view connection_refusal();

// What a person is called on a page.
std::string name_of(const auth::Identity& identity);

// Whether it sets one of our own.
bool is_own_cookie(const http::Header& header);

bool is_edited_away(const HeaderEdits& edits, const http::Header& header);

class ShownCertificate;
class Tunnel;

// What all exchanges of a client's connection share.
struct ClientContext {
  uint32_t listener = 0;  // its number
  io::Address peer;
  std::string peer_text;  // the address without the port
  telemetry::Scheme scheme = telemetry::Scheme::http;
  const tls::Stream* tls = nullptr;         // as long as the connection; null in clear text
  ShownCertificate* certificate = nullptr;  // as long as the connection; null: the client showed none
};

// The gate's address as the client sees it.
struct SeenOrigin {
  std::string_view scheme;     // "http" or "https"
  std::string_view authority;  // host and port, as sent
};

class Exchange {
 public:
  Exchange(Worker& worker, const ClientContext& context, http::ServerStream& client);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  io::Task<> run();
  // For a request that has no usable head.
  io::Task<> refuse(base::Error error);

 private:
  using Result = base::Result<>;

  // The stages, in order.
  void receive();
  Result normalise();
  Result route();
  io::Task<Result> authenticate();
  Result authorise();
  Result limit();
  io::Task<Result> forward();
  io::Task<Result> relay();
  void record();

  Result find_client();
  Result find_client_behind_proxies();
  SeenOrigin seen_origin() const;
  Result find_service();

  // authenticate.cc
  io::Task<Result> introspect(auth::AuthenticateInput input, uint32_t provider);
  Result authenticate_by_certificate();
  Result accept(auth::Authentication outcome);
  Result check_possession(const auth::Identity& identity);
  Result refuse_credential(const base::Error& error);
  void count_cache_use(const auth::Authentication& outcome);
  io::Task<Result> wait_for_keys(uint32_t key_slot);
  bool credential_stands_in(const http::Header& header) const;

  // session.cc
  struct OpenSession {
    auth::SessionPtr session;
    auth::IdentityPtr identity;  // null: the claims are in the session store
  };
  io::Task<Result> authenticate_by_session();
  // signing_out: a session that cannot be kept up now, or has ended, is found too.
  enum class Purpose : uint8_t { calling, signing_out };
  io::Task<Result> find_session(std::string_view provider_name, Purpose purpose);
  io::Task<base::Result<OpenSession>> open_newest(const auth::Provider& provider, std::string_view& cookie);
  auth::SessionPlace session_place(const auth::Provider& provider) const;
  base::Result<OpenSession> open_cookie(const auth::Provider& provider, std::string_view cookie);
  crypto::Sha256 digest_of_cookie(const auth::Provider& provider, std::string_view cookie);
  OpenSession keep_open(const auth::Provider& provider, const crypto::Sha256& digest, OpenSession open);
  io::Task<base::Result<OpenSession>> keep_up(const auth::Provider& provider, OpenSession open,
                                              std::string_view cookie);
  void reseal(const auth::Provider& provider, std::string_view cookie, base::WallTime now);
  io::Task<base::Result<OpenSession>> ask_for_session(const auth::Provider& provider, Question question);
  void note_session_failure(const base::Error& error, std::string_view provider);
  void send_session_cookie(std::string_view value, const auth::Session& session);
  http::Origin own_origin();
  io::Task<Answer> ask(Question question, base::Duration patience);

  // login.cc
  struct NewCookie {
    std::string_view prefix;
    std::string_view name;
    std::string_view value;
    base::Duration max_age;
  };
  static std::string new_cookie(const NewCookie& cookie);
  static std::string removed_cookie(std::string_view prefix, std::string_view name);
  std::string redirect_uri(std::string_view provider) const;
  bool cookies_can_be_kept() const;
  bool leads_to_login(const base::Error& error) const;
  io::Task<Result> send_to_login(const base::Error& error);
  struct LoginWish {
    std::string provider;
    std::string return_to;
    auth::StepUp step_up = {};  // what a rule asks for
  };
  io::Task<Result> begin_login(LoginWish wish);
  std::vector<std::string> make_room_for_login() const;
  io::Task<Result> answer_login();
  std::vector<const auth::Provider*> login_choices(std::string_view return_to) const;
  io::Task<Result> answer_callback(std::string_view provider_name);

  // sign_out.cc
  struct SignedIn {
    auth::SessionPtr session;
    auth::IdentityPtr identity;
    std::string label;  // of the provider
  };
  io::Task<Result> find_signed_in(std::vector<SignedIn>& found, Purpose purpose);
  std::vector<std::string> session_cookie_removals();
  io::Task<Result> answer_session();
  std::string session_page(const std::vector<SignedIn>& found) const;
  io::Task<Result> answer_logout_page();
  io::Task<Result> answer_logout();
  io::Task<Result> answer_backchannel_logout(std::string_view provider_name);
  io::Task<base::Result<auth::LogoutToken>> verify_logout_token(const auth::Provider& provider,
                                                                std::string_view token);
  io::Task<base::Result<std::string>> read_form();

  // resource_metadata.cc
  io::Task<Result> answer_resource_metadata(const Service& service);
  std::string resource_metadata_url() const;

  // own.cc
  io::Task<Result> answer_own();
  io::Task<Result> answer_key_set();
  io::Task<Result> answer_reason(std::string_view name);
  io::Task<Result> send_own_text(uint16_t status, std::string_view content_type, std::string_view body);
  io::Task<Result> send_page(uint16_t status, std::string html);

  // connect.cc
  io::Task<Result> open_backend(const backends::EndpointState* avoid);
  void find_own_backends();
  io::Task<Result> wait_for_endpoints();
  backends::Carrier choose_carrier(const backends::Wire* wire) const;
  io::Task<Result> connect(backends::Carrier carrier);
  io::Task<Result> shake_hands(tls::Stream& stream, base::Instant deadline);
  Result send_proxy_header(io::Stream& stream, io::ProxyVersion version);

  // forward.cc
  void begin_attempt();
  io::Task<Result> send_request();
  io::Task<> upload();
  io::Task<Result> await_answer();
  Result relay_interim();
  bool may_try_again(const base::Error& error);
  base::Error broken_while_sending(base::Error error) const;

  // grpc.cc
  // An instant to wait for, no later than the call's own deadline; and what a failure then is.
  base::Instant within_call(base::Instant deadline) const { return std::min(deadline, call_.deadline()); }
  base::Error failure_within_call(const base::Error& error) const;
  void note_call_status();
  void settle_call_status();
  io::Task<> answer_call(const base::Error& error);
  io::Task<> end_call(const base::Error& error);
  bool can_end_call() const;
  std::string_view call_message(const base::Error& error);

  // backend_token.cc
  io::Task<Result> obtain_backend_token();

  // request_head.cc
  Result build_request_headers();
  bool add_others_cookies(const http::Header& header);
  bool add_forwarding_headers();
  Result sign_identity();
  bool add_identity_headers();
  bool add_client_certificate();
  bool add_backend_token();
  bool add_header(std::string_view name, std::string_view value);
  std::string_view header_safe(std::string_view value);
  std::string_view joined_groups();
  void choose_host();

  // response.cc
  Result start_response();
  void build_response_headers();
  void add_session_cookie();
  http::BodyLength answer_length() const;

  // upgrade.cc
  std::string_view upgrade_asked() const;
  bool add_websocket_key();
  io::Task<Result> await_settings();
  Result check_upgrade_refusal() const;
  Result switch_protocols();
  Result finish_handshake();
  io::Task<Result> relay_upgraded();
  io::Task<> review_access(Tunnel& tunnel);
  Result check_signed_out();
  class Standing;
  io::Task<Result> decide_again();

  // answer.cc
  io::Task<> answer(const base::Error& error);
  io::Task<Result> redirect_to_https();
  io::Task<Result> send_text(uint16_t status, std::string_view content_type, std::string_view body);
  void add_failure_headers(const base::Error& error, std::string& challenges);
  void add_challenges(const base::Error& error, std::string& challenges);
  io::Task<Result> flush_answer(http::BodySink& sink);
  io::Task<Result> client_ready();
  io::Task<Result> answer_problem(base::Error error);
  std::string make_problem(const base::Error& error) const;
  std::string make_problem_page(const base::Error& error) const;

  void enter(telemetry::Phase phase) { record_.phases.enter(phase, worker_.now()); }
  telemetry::Attempt& attempt() { return record_.attempts[record_.attempts_kept() - 1]; }

  Worker& worker_;
  const ClientContext& context_;
  http::ServerStream& client_;
  SnapshotPtr snapshot_;  // pinned: what this exchange decides by, whatever is loaded meanwhile

  http::Target target_;
  http::Authority host_;
  std::string_view path_sent_;  // target_.path, less the prefix stripped
  std::string_view host_sent_;  // host_ as matched, with its port; empty: the backend's own name
  bool peer_trusted_ = false;
  base::IpAddress client_ip_;
  std::string_view client_text_;
  const Service* service_ = nullptr;
  std::shared_ptr<ServiceState> state_;
  bool own_ = false;  // addressed to the gate itself
  GrpcCall call_;     // of a request that is one

  auth::Credential credential_;
  std::optional<crypto::Sha256> proved_;  // the key that a DPoP proof of this request showed
  auth::IdentityPtr identity_;
  auth::SessionPtr session_;  // that the identity came with
  base::Error session_failure_{.reason =
                                   base::Reason::none};  // why a session cookie that came counts for nothing
  std::string_view login_return_;                        // where a login that failed would have led
  uint64_t revocations_seen_ = 0;
  std::string cookie_out_;  // Set-Cookie for the client; mostly empty
  auth::AssertionPtr assertion_;
  std::string_view backend_token_;  // in scratch_; empty: none
  auth::Verdict verdict_;

  base::Instant attempt_began_;
  // By attempt: the record names them, and the pool may forget them meanwhile.
  std::array<std::shared_ptr<backends::EndpointState>, kAttemptsMax> tried_;
  bool body_begun_ = false;
  backends::Lease backend_;
  io::Task<> upload_;
  io::Signal upload_ended_;
  std::optional<Result> upload_outcome_;
  SendPatience send_patience_;
  std::string_view websocket_key_;  // of the handshake with the backend; empty: none is under way
  SnapshotPtr withdrawn_by_;        // the one that took access away from an open connection
  base::Instant request_sent_;
  base::Instant answered_;
  base::Instant ended_;  // the last byte of the answer has left
  http::ResponseHead answer_;
  http::Headers headers_out_;  // to the backend, then to the client

  bool recorded_ = false;
  telemetry::ExchangeRecord record_;
  Scratch scratch_;
};

}  // namespace gate
