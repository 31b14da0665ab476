#include "telemetry/access_log.h"

#include <ctime>

#include "base/bytes.h"
#include "telemetry/json_line.h"

namespace telemetry {
namespace {

// Bounds of the fields, in bytes as written. Their sum and the fixed text stay below kLogLineBytesMax.
constexpr size_t kPathMax = 2048;
constexpr size_t kUserAgentMax = 512;
constexpr size_t kHostMax = 256;
constexpr size_t kSubjectMax = 256;
constexpr size_t kPatternMax = 512;
constexpr size_t kSourceMax = 512;
constexpr size_t kDetailMax = 256;
constexpr size_t kNameMax = 128;  // service, provider, rule, listener, client, endpoint
constexpr size_t kMethodMax = 32;
// Keys, punctuation, numbers of at most 20 digits: the head and phases, and one attempt.
constexpr size_t kFixedMax = 1024;
constexpr size_t kAttemptFixedMax = 192;
static_assert(kPathMax + kUserAgentMax + kHostMax + kSubjectMax + kPatternMax + kSourceMax + kDetailMax +
                  5 * kNameMax + kMethodMax + kFixedMax +
                  ExchangeRecord::kAttemptsMax * (kNameMax + kAttemptFixedMax) <=
              kLogLineBytesMax);

std::string_view protocol_name(http::Version version) {
  static constexpr std::string_view kNames[] = {"HTTP/1.0", "HTTP/1.1", "HTTP/2"};
  return kNames[static_cast<size_t>(version)];
}

void write_text(JsonLine& line, std::string_view key, std::string_view value, size_t bytes_max) {
  if (value.empty()) return;
  line.raw(key);
  line.quoted(value, bytes_max);
}

void write_identity(JsonLine& line, const ExchangeRecord& record) {
  if (record.provider.empty()) return;
  line.raw(R"(,"identity":{"provider":)");
  line.quoted(record.provider, kNameMax);
  line.raw(R"(,"subject":)");
  line.quoted(record.subject, kSubjectMax);
  line.raw('}');
}

void write_phases(JsonLine& line, const PhaseTimes& phases) {
  struct Column {
    Phase phase;
    std::string_view key;
  };
  static constexpr Column kColumns[] = {{Phase::receive, R"("receive":)"},
                                        {Phase::route, R"("route":)"},
                                        {Phase::authenticate, R"("authenticate":)"},
                                        {Phase::authorise, R"("authorise":)"},
                                        {Phase::connect, R"("connect":)"},
                                        {Phase::send, R"("send":)"},
                                        {Phase::wait, R"("wait":)"},
                                        {Phase::relay, R"("relay":)"}};
  line.raw(R"(,"phases_ms":{)");
  char separator = '\0';
  for (const Column& column : kColumns) {
    base::Duration spent = phases.spent(column.phase);
    if (spent == kNotReached) continue;
    if (separator != '\0') line.raw(separator);
    separator = ',';
    line.raw(column.key);
    line.milliseconds(spent);
  }
  line.raw('}');
}

void write_attempt(JsonLine& line, const Attempt& attempt) {
  line.raw(R"({"endpoint":)");
  line.quoted(attempt.endpoint, kNameMax);
  if (attempt.connection == Connection::fresh) line.raw(R"(,"connection":"new")");
  if (attempt.connection == Connection::reused) line.raw(R"(,"connection":"reused")");
  line.raw(R"(,"outcome":")");
  line.raw(attempt.outcome == base::Reason::none ? "ok" : base::reason_name(attempt.outcome));
  line.raw('"');
  if (attempt.connect != kNotReached) {
    line.raw(R"(,"connect_ms":)");
    line.milliseconds(attempt.connect);
  }
  if (attempt.wait != kNotReached) {
    line.raw(R"(,"wait_ms":)");
    line.milliseconds(attempt.wait);
  }
  line.raw('}');
}

void write_attempts(JsonLine& line, const ExchangeRecord& record) {
  if (record.attempts_made == 0) return;
  line.raw(R"(,"attempts":[)");
  for (uint32_t i = 0; i < record.attempts_kept(); ++i) {
    if (i > 0) line.raw(',');
    write_attempt(line, record.attempts[i]);
  }
  line.raw(']');
}

void write_request(JsonLine& line, const ExchangeRecord& record) {
  line.raw(R"(,"id":")");
  line.raw(record.id.text());
  line.raw(R"(","generation":)");
  line.number(record.generation);
  write_text(line, R"(,"client":)", record.client, kNameMax);
  write_text(line, R"(,"listener":)", record.listener, kNameMax);
  write_text(line, R"(,"method":)", record.method_text, kMethodMax);
  write_text(line, R"(,"host":)", record.host, kHostMax);
  write_text(line, R"(,"path":)", record.path, kPathMax);
  write_text(line, R"(,"service":)", record.service_name, kNameMax);
  write_text(line, R"(,"route":)", record.route_pattern, kPatternMax);
}

void write_decision(JsonLine& line, const ExchangeRecord& record) {
  write_identity(line, record);
  write_text(line, R"(,"rule":)", record.rule_source, kSourceMax);
  write_text(line, R"(,"rule_name":)", record.rule_name, kNameMax);
  if (record.verdict == Verdict::allow) line.raw(R"(,"verdict":"allow")");
  if (record.verdict == Verdict::deny) line.raw(R"(,"verdict":"deny")");
  if (!record.observed_rule.empty()) {
    write_text(line, R"(,"observed":{"rule":)", record.observed_rule, kSourceMax);
    line.raw(record.observed_verdict == Verdict::allow ? R"(,"verdict":"allow"})" : R"(,"verdict":"deny"})");
  }
  if (record.reason != base::Reason::none) {
    line.raw(R"(,"reason":")");
    line.raw(base::reason_name(record.reason));
    line.raw('"');
  }
  write_text(line, R"(,"detail":)", record.detail, kDetailMax);
}

void write_outcome(JsonLine& line, const ExchangeRecord& record) {
  line.raw(R"(,"phase":")");
  line.raw(phase_name(record.phases.current()));
  line.raw('"');
  if (record.status != 0) {
    line.raw(R"(,"status":)");
    line.number(record.status);
  }
  if (record.grpc_status) {
    line.raw(R"(,"grpc_status":")");
    line.raw(http::grpc_status_name(*record.grpc_status));
    line.raw('"');
  }
  line.raw(R"(,"bytes_received":)");
  line.number(record.bytes_received);
  line.raw(R"(,"bytes_sent":)");
  line.number(record.bytes_sent);
  line.raw(R"(,"duration_ms":)");
  line.milliseconds(record.phases.total());
}

}  // namespace

void AccessLogFormat::remember_second(int64_t unix_seconds) {
  second_ = unix_seconds;
  std::string text = base::format_rfc3339(unix_seconds * 1'000'000'000);
  std::memcpy(date_.data(), text.data(), kDateBytes);
}

size_t AccessLogFormat::format(const ExchangeRecord& record, std::span<char> out) {
  if (out.size() < kLogLineBytesMax) return 0;
  int64_t second = record.time.unix_seconds();
  if (second != second_) remember_second(second);
  auto millisecond = static_cast<uint32_t>(record.time.ns / 1'000'000 % 1000);

  JsonLine line(out.data());
  line.raw(R"({"time":")");
  line.raw({date_.data(), date_.size()});
  line.raw('.');
  line.raw(static_cast<char>('0' + millisecond / 100));
  line.raw(static_cast<char>('0' + millisecond / 10 % 10));
  line.raw(static_cast<char>('0' + millisecond % 10));
  line.raw(R"(Z")");
  write_request(line, record);
  write_decision(line, record);
  write_outcome(line, record);
  write_phases(line, record.phases);
  write_attempts(line, record);
  line.raw(R"(,"protocol":")");
  line.raw(protocol_name(record.protocol));
  line.raw('"');
  write_text(line, R"(,"user_agent":)", record.user_agent, kUserAgentMax);
  line.raw("}\n");
  return line.size();
}

}  // namespace telemetry
