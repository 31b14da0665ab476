#include "http/grpc.h"

#include <gtest/gtest.h>

#include <map>

namespace http {
namespace {

using base::Reason;
using enum GrpcStatus;

TEST(GrpcContentType, ReadAndWritten) {
  struct Case {
    std::string_view value;
    GrpcKind kind;
    std::string_view format;
    std::string_view written;
  } const cases[] = {
      {"application/grpc", GrpcKind::grpc, "", "application/grpc"},
      {"application/grpc+proto", GrpcKind::grpc, "proto", "application/grpc+proto"},
      {"application/grpc+json", GrpcKind::grpc, "json", "application/grpc+json"},
      {"Application/GRPC+Proto", GrpcKind::grpc, "Proto", "application/grpc+Proto"},
      {"application/grpc;charset=utf-8", GrpcKind::grpc, "", "application/grpc"},
      {"application/grpc+proto ; x=y", GrpcKind::grpc, "proto", "application/grpc+proto"},
      {"application/grpc-web", GrpcKind::web, "", "application/grpc-web"},
      {"application/grpc-web+proto", GrpcKind::web, "proto", "application/grpc-web+proto"},
      {"application/grpc-web-text", GrpcKind::web_text, "", "application/grpc-web-text"},
      {"application/grpc-web-text+json; q=1", GrpcKind::web_text, "json", "application/grpc-web-text+json"},
  };
  for (const auto& c : cases) {
    const auto type = parse_grpc_content_type(c.value);
    EXPECT_EQ(type.kind, c.kind) << c.value;
    EXPECT_EQ(type.format, c.format) << c.value;
    EXPECT_EQ(is_grpc(c.value), c.kind == GrpcKind::grpc) << c.value;
    EXPECT_EQ(is_grpc_web(c.value), c.kind != GrpcKind::grpc) << c.value;
    char out[64];
    EXPECT_EQ(std::string_view(out, write_grpc_content_type(type, out)), c.written);
    for (size_t room = 0; room < c.written.size(); ++room) {
      EXPECT_EQ(write_grpc_content_type(type, {out, room}), 0u);
    }
  }
  for (std::string_view value :
       {"", "application/json", "application/grpcx", "application/grpc-", "application/grpc-webx",
        "application/grpc-web-textx", "application/grpc-text", "application/grpc+", "application/grpc +proto",
        "application/grpc+a b", "application/grpc+\r\n", "text/application/grpc", "application/grp",
        "application/grpc/x", "application/grpc-web-text-base64"}) {
    EXPECT_EQ(parse_grpc_content_type(value).kind, GrpcKind::none) << value;
    EXPECT_FALSE(is_grpc(value) || is_grpc_web(value)) << value;
  }
}

TEST(GrpcTimeout, Parsed) {
  const std::pair<std::string_view, base::Duration> cases[] = {
      {"1n", base::nanoseconds(1)},
      {"100m", base::milliseconds(100)},
      {"7u", base::microseconds(7)},
      {"15S", base::seconds(15)},
      {"2M", base::seconds(120)},
      {"1H", base::seconds(3600)},
      {"0S", base::seconds(0)},
      {"00000001S", base::seconds(1)},
      {"99999999S", base::seconds(99'999'999)},
      {"99999999n", base::nanoseconds(99'999'999)},
      {"99999999M", kGrpcTimeoutMax},
      {"99999999H", kGrpcTimeoutMax},
      {"876000H", kGrpcTimeoutMax},
      {"875999H", base::seconds(int64_t{875'999} * 3600)},
  };
  for (const auto& [value, timeout] : cases) {
    const auto parsed = parse_grpc_timeout(value);
    ASSERT_TRUE(parsed) << value;
    EXPECT_EQ(parsed->ns, timeout.ns) << value;
  }
  for (std::string_view value :
       {"", "S", "1", "1s", "1h", "1N", "-1S", "+1S", " 1S", "1S ", "1 S", "1.5S", "0x1S", "123456789S",
        "000000001S", "SS", "1SS", "1ms", "9223372036854775808n"}) {
    EXPECT_FALSE(parse_grpc_timeout(value)) << value;
  }
}

TEST(GrpcTimeout, WrittenInTheFinestUnitThatFits) {
  const std::pair<base::Duration, std::string_view> cases[] = {
      {base::seconds(-5), "1n"},
      {base::seconds(0), "1n"},
      {base::nanoseconds(1), "1n"},
      {base::nanoseconds(99'999'999), "99999999n"},
      {base::nanoseconds(100'000'999), "100000u"},
      {base::seconds(1), "1000000u"},
      {base::seconds(99), "99000000u"},
      {base::seconds(100), "100000m"},
      {base::seconds(99'999), "99999000m"},
      {base::seconds(100'000), "100000S"},
      {base::seconds(99'999'999), "99999999S"},
      {base::seconds(100'000'000), "1666666M"},
      {{INT64_MAX}, "2562047H"},
  };
  for (const auto& [left, text] : cases) {
    char out[kGrpcTimeoutTextMax];
    const std::string_view written(out, write_grpc_timeout(left, out));
    EXPECT_EQ(written, text);
    if (left.ns > 0) EXPECT_LE(parse_grpc_timeout(written)->ns, left.ns) << "never longer than what is left";
  }
}

TEST(GrpcStatus, NamesAndNumbers) {
  EXPECT_EQ(grpc_status_name(ok), "OK");
  EXPECT_EQ(grpc_status_name(unauthenticated), "UNAUTHENTICATED");
  for (int i = 0; i < kGrpcStatusCount; ++i) {
    const auto status = static_cast<GrpcStatus>(i);
    EXPECT_FALSE(grpc_status_name(status).empty());
    EXPECT_EQ(grpc_status_number(status), std::to_string(i));
    EXPECT_EQ(parse_grpc_status(grpc_status_number(status)), status);
  }
}

// Every reason there is must stand here: a new one is a decision about what its gRPC client does next.
TEST(GrpcStatus, OfEveryReason) {
  const std::map<std::string_view, GrpcStatus> expected = {
      {"none", ok},
      {"dns_timeout", unavailable},
      {"dns_error", unavailable},
      {"connection_refused", unavailable},
      {"connection_terminated", unavailable},
      {"connection_timeout", unavailable},
      {"connection_read_timeout", deadline_exceeded},
      {"connection_write_timeout", deadline_exceeded},
      {"connection_limit_reached", unavailable},
      {"tls_protocol_error", unavailable},
      {"tls_certificate_error", unavailable},
      {"tls_alert_received", unavailable},
      {"http_request_error", internal},
      {"http_response_timeout", deadline_exceeded},
      {"http_response_incomplete", unavailable},
      {"http_response_header_section_size", internal},
      {"http_protocol_error", internal},
      {"http_upgrade_failed", internal},
      {"proxy_internal_error", internal},
      {"request_head_too_large", resource_exhausted},
      {"request_body_too_large", resource_exhausted},
      {"request_timeout", deadline_exceeded},
      {"websocket_version_refused", internal},
      {"path_refused", internal},
      {"expectation_failed", internal},
      {"no_route", unimplemented},
      {"misdirected_request", unavailable},
      {"credential_missing", unauthenticated},
      {"credential_malformed", unauthenticated},
      {"credential_invalid", unauthenticated},
      {"credential_conflict", unauthenticated},
      {"key_set_unavailable", unavailable},
      {"session_invalid", unauthenticated},
      {"session_ended", unauthenticated},
      {"proof_invalid", unauthenticated},
      {"proof_memory_full", unavailable},
      {"step_up_required", unauthenticated},
      {"login_state_invalid", internal},
      {"login_refused", permission_denied},
      {"return_refused", internal},
      {"logout_token_invalid", internal},
      {"cross_site_refused", permission_denied},
      {"identity_provider_unavailable", unavailable},
      {"session_store_unavailable", unavailable},
      {"introspection_unavailable", unavailable},
      {"backend_token_unavailable", unavailable},
      {"scope_insufficient", permission_denied},
      {"rule_denied", permission_denied},
      {"origin_refused", permission_denied},
      {"access_withdrawn", cancelled},
      {"no_healthy_endpoint", unavailable},
      {"client_disconnected", cancelled},
      {"client_stalled", cancelled},
      {"draining", unavailable},
  };
  for (int i = 0; i < base::kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    const auto at = expected.find(base::reason_name(reason));
    ASSERT_NE(at, expected.end()) << "which status is right for " << base::reason_name(reason) << "?";
    EXPECT_EQ(grpc_status_name(grpc_status_of(reason)), grpc_status_name(at->second))
        << base::reason_name(reason);
  }
}

TEST(GrpcStatus, OfAnAnswerWithoutOne) {
  const std::pair<int, GrpcStatus> cases[] = {
      {200, unknown},         {204, unknown},           {301, unknown},       {400, internal},
      {401, unauthenticated}, {403, permission_denied}, {404, unimplemented}, {415, unknown},
      {429, unavailable},     {431, internal},          {500, unknown},       {502, unavailable},
      {503, unavailable},     {504, unavailable},       {0, unknown},
  };
  for (const auto& [http, grpc] : cases) EXPECT_EQ(grpc_status_of_http(http), grpc) << http;
}

TEST(GrpcStatus, Parsed) {
  const std::pair<std::string_view, std::optional<GrpcStatus>> cases[] = {
      {"0", ok},
      {"7", permission_denied},
      {"16", unauthenticated},
      {"17", unknown},
      {"4294967296", unknown},
      {"", std::nullopt},
      {"-1", std::nullopt},
      {"OK", std::nullopt},
      {"0 ", std::nullopt},
      {"99999999999999999999999", std::nullopt},
  };
  for (const auto& [value, status] : cases) EXPECT_EQ(parse_grpc_status(value), status) << value;
}

TEST(GrpcStatus, FoundAmongTrailers) {
  const std::pair<std::string_view, std::optional<GrpcStatus>> cases[] = {
      {"", std::nullopt},
      {"grpc-status: 0\r\n", ok},
      {"Grpc-Status:12\r\ngrpc-message: no\r\n", unimplemented},
      {"grpc-message: grpc-status: 3\r\ngrpc-status: \t5 \r\nx: y\r\n", not_found},
      {"grpc-status: 5\r\ngrpc-status: 0\r\n", ok},
      {"grpc-status: no\r\n", std::nullopt},
      {"x-grpc-status: 0\r\n", std::nullopt},
      {"grpc-status", std::nullopt},
      {"grpc-status: 3", invalid_argument},
  };
  for (const auto& [trailers, status] : cases) EXPECT_EQ(find_grpc_status(trailers), status) << trailers;
}

TEST(GrpcMessage, Encoded) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"no rule allows it", "no rule allows it"},
      {" ~!", " ~!"},
      {"100% sure", "100%25 sure"},
      {"a\r\nb\tc\x7F", "a%0D%0Ab%09c%7F"},
      {"caf\xC3\xA9", "caf%C3%A9"},
      {"\xFF\xC3x", "%FF%C3x"},
  };
  for (const auto& [text, encoded] : cases) {
    char out[64];
    ASSERT_LE(encoded.size(), 3 * text.size());
    EXPECT_EQ(std::string_view(out, write_grpc_message(text, {out, 3 * text.size()})), encoded);
  }
}

TEST(GrpcMessage, CutByWholeCharacters) {
  const std::string_view text =
      "a%\xE2\x82\xAC"
      "b";
  const std::string_view whole = "a%25%E2%82%ACb";
  char out[20];
  for (size_t room = 0; room <= whole.size(); ++room) {
    const std::string_view written(out, write_grpc_message(text, {out, room}));
    const size_t expected = room >= 14 ? 14 : room >= 13 ? 13 : room >= 4 ? 4 : room >= 1 ? 1 : 0;
    EXPECT_EQ(written, whole.substr(0, expected)) << room;
  }
}

}  // namespace
}  // namespace http
