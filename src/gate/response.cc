// Stage "relay": the backend's answer to the client, or, after a switch of protocols, bytes both ways.
#include "base/bytes.h"
#include "gate/exchange.h"

namespace gate {

using base::Reason;
using http::HeaderId;
using telemetry::Phase;

namespace {

// Framing and the handshake's proof are the connection's own, the id is the gate's.
constexpr http::HeaderIdSet kNeverPassedOn =
    http::HeaderIdSet::of(HeaderId::content_length, HeaderId::transfer_encoding, HeaderId::x_request_id,
                          HeaderId::sec_websocket_accept);

}  // namespace

// No backend speaks for the gate to a browser.
bool is_own_cookie(const http::Header& header) {
  return header.id == HeaderId::set_cookie && header.value.starts_with(auth::kCookiePrefix);
}

io::Task<Exchange::Result> Exchange::relay() {
  record_.phases.enter(Phase::relay, answered_);
  if (answer_.status == 101) {
    if (auto switched = switch_protocols(); !switched) co_return switched;
    co_return co_await relay_upgraded();
  }
  if (auto refused = check_upgrade_refusal(); !refused) co_return refused;
  call_.recognise_answer(answer_, client_);
  if (auto started = start_response(); !started) co_return started;
  bool call = call_.is_call();
  Result relayed = co_await relay_body(
      {.loop = worker_.loop(),
       .from = backend_.http(),
       .to = call_.answer_body(client_),
       .read_patience = call ? kCallPatience : service_->response_timeout,
       .deadline = call_.deadline(),
       .other = call ? &upload_outcome_ : nullptr,
       .other_ended = call ? &upload_ended_ : nullptr,
       .trailers = call ? RelayPlan::Trailers::passed : trailers_behind(service_->response_headers),
       .trailer_edits = call ? &service_->response_headers : nullptr,
       .read_timeout = {Reason::connection_read_timeout, base::Side::backend, base::Retry::never,
                        "the backend stopped sending in the middle of its answer"},
       .write_timeout = {Reason::client_stalled, base::Side::client, base::Retry::never,
                         "the client stopped reading the answer"},
       .client = &client_,
       .send_patience = &send_patience_});
  ended_ = worker_.now();
  attempt().total = ended_ - attempt_began_;
  if (!relayed) {
    relayed = base::fail(failure_within_call(relayed.error()));
    if (relayed.error().side == base::Side::backend) attempt().outcome = relayed.error().reason;
    co_return relayed;
  }
  // A call that was answered to its end is over, whatever more the client had to say.
  if (!call && upload_outcome_ && !*upload_outcome_ && upload_outcome_->error().side == base::Side::client) {
    co_return *upload_outcome_;
  }
  note_call_status();
  upload_.cancel();
  backend_.give_back(worker_.loop().now());
  co_return Result{};
}

void Exchange::build_response_headers() {
  const HeaderEdits& edits = service_->response_headers;
  auto add_edit = [this](const NamedValue& edit) {
    headers_out_.add({.name = edit.name, .value = edit.value, .id = edit.id});
  };
  headers_out_.clear();
  for (const http::Header& header : answer_.headers) {
    if (header.hop_by_hop || kNeverPassedOn.test(header.id)) continue;
    if (!edits.empty() && is_edited_away(edits, header)) continue;
    if (is_own_cookie(header)) continue;
    headers_out_.add(header);
    if (header.id == HeaderId::content_type && call_.translates_answer()) {
      const auto type = http::parse_grpc_content_type(header.value);
      headers_out_.set_value(headers_out_.size() - 1, call_.answer_type(type.format, scratch_));
    }
  }
  for (const NamedValue& edit : edits.set) add_edit(edit);
  for (const NamedValue& edit : edits.add) add_edit(edit);
  add_header("X-Request-Id", record_.id.text());
  if (!cookie_out_.empty()) add_session_cookie();
}

// Not on what caches may keep for everybody: they would hand the session to others. The next answer does.
// What they may keep if only they ask again (`no-cache`) is made the browser's alone.
void Exchange::add_session_cookie() {
  using http::has_token;
  auto says = [&](std::string_view directive) {
    return has_token(headers_out_, HeaderId::cache_control, directive);
  };
  if (!says("private") && !says("no-store")) {
    bool undecided = !headers_out_.has(HeaderId::cache_control) || says("no-cache");
    if (!undecided || says("public")) return;
    add_header("Cache-Control", "private");
  }
  add_header("Set-Cookie", cookie_out_);
}

// An answer without a body may still name the length one would have (RFC 9110 §8.6).
http::BodyLength Exchange::answer_length() const {
  if (call_.translates_answer() && answer_.body.kind != http::BodyLength::Kind::none) {
    return {.kind = http::BodyLength::Kind::chunked};
  }
  if (answer_.body.kind != http::BodyLength::Kind::none) return answer_.body;
  if (const http::Header* length = answer_.headers.find(HeaderId::content_length)) {
    if (auto bytes = base::parse_unsigned(length->value)) return {http::BodyLength::Kind::sized, *bytes};
  }
  if (client_.head().method == http::Method::head && answer_.headers.has(HeaderId::transfer_encoding)) {
    return {http::BodyLength::Kind::chunked, 0};
  }
  return {};
}

Exchange::Result Exchange::start_response() {
  build_response_headers();
  record_.status = answer_.status;
  return client_.start_response(
      {.status = answer_.status, .headers = &headers_out_, .body = answer_length()});
}

}  // namespace gate
